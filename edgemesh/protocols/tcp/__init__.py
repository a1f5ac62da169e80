"""Opaque TCP: resolver, server, client, relay."""
