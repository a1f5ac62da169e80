"""Tests of edgemesh; the tree mirrors the package."""
