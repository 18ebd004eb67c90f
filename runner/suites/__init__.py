"""Suites of problems, read in place: KernelBench's format, FlashInfer-Bench's, and this project's.

Owns what a sweep and `verify --suite` see of them. Every problem becomes a `Problem` like any
other; nothing of a suite is copied.
"""

from __future__ import annotations

from runner.suites.suite import Kind, Suite, SuiteProblem, open_suite

__all__ = ["Kind", "Suite", "SuiteProblem", "open_suite"]
