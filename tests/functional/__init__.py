"""Real sockets, processes and peers."""
