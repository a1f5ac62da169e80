"""Bytes to events and back; knows no reactor and no transport."""
