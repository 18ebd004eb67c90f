"""A small spec with a baseline of its own: y = a + 2 b."""

from __future__ import annotations

TOML = """\
name = "scaled_sum"
entry = "scaled_sum"
summary = "a + 2 b"
baselines = ["eager", "by_hand"]

[axes]
N = [1, 65536]

[[inputs]]
name = "a"
shape = ["N"]
dtype = "float32"
[[inputs]]
name = "b"
shape = ["N"]
dtype = "float32"
[[outputs]]
name = "y"
shape = ["N"]
dtype = "float32"

[[tests]]
N = 100
[[benchmarks]]
N = 4096
"""
REFERENCE = "def scaled_sum(a, b):\n    return a + 2 * b\n"
BASELINE = "def by_hand(a, b):\n    return b + b + a\n"
