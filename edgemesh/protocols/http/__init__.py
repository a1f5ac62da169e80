"""HTTP/1: resolver, server, client."""
