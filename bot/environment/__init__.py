"""How the values of environment variables are written, and the `.env` file that may hold them."""
