"""Tests of edgemesh/handlers."""
