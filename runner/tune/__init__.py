"""Tuning: launch parameters chosen by measuring, without spending tokens.

Owns the result's type. Knows nothing of the loop that asks for it.
"""
