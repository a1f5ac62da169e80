"""Tests of edgemesh/protocols/tcp."""
