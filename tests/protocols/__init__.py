"""Tests of edgemesh/protocols."""
