"""Helpers of the tests, one subject per module."""
