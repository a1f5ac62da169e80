"""The name server: names of the mesh from memory, every other name from elsewhere."""
