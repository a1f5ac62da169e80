"""Tests of edgemesh/protocols/http."""
