"""Health, metrics and the read API, on loopback."""
