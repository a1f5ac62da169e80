"""Tests of edgemesh.demo."""
