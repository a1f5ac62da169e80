"""Tests of edgemesh/admin."""
