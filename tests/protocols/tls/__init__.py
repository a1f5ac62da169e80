"""Tests of edgemesh/protocols/tls."""
