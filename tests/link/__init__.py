"""Tests of ``edgemesh.link``."""
