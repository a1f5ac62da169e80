"""TLS, passed through by SNI: resolver, server."""
