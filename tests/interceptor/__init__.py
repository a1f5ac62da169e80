"""Tests of edgemesh/interceptor."""
