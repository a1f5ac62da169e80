"""Tests of edgemesh/edgecore."""
