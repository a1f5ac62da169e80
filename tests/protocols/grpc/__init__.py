"""Tests of edgemesh/protocols/grpc."""
