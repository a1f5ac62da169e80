"""Tests of edgemesh/beehive."""
