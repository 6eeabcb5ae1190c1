"""Services on threads, used by all channels and the API. Each method is one transaction."""
