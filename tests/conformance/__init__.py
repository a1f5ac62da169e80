"""Our bytes against other implementations and golden data."""
