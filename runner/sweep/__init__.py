"""Sweeps: every problem of a suite in the same budget, and what they come to together."""
