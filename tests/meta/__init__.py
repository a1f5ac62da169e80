"""Tests of edgemesh/meta."""
