"""Tests of the public kit for plugin authors."""
