"""What is said, what happened, what comes next; and the agents themselves. Imports none of the other packages."""
