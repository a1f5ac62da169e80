"""Tests of edgemesh/dns."""
