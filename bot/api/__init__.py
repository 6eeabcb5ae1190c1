"""HTTP server: the API under /v1, live event streams and health checks. Only this package imports FastAPI."""
