"""HTTP: the API under /v1, the live stream of a thread, health. FastAPI is known here and nowhere else."""
