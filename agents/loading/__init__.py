"""Reading and checking the files of agents. Mistakes are reported with file, line and key."""
