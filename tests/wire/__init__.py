"""Tests of edgemesh/wire."""
