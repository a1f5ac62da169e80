"""The protocols, one vertical slice each, and what they share."""
