"""The verifier: says whether a candidate may be believed, and never runs it in this process.

Owns the cascade screen → compile → smoke → sweep → integrity. Names are loaded on first use, so
that a worker, which lives in this package too, never imports the judge.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.verifier.judge import Verifier
    from runner.verifier.options import VerifyOptions
    from runner.verifier.resources import rank

__all__ = ["Verifier", "VerifyOptions", "rank"]

_HOME = {
    "Verifier": "runner.verifier.judge",
    "VerifyOptions": "runner.verifier.options",
    "rank": "runner.verifier.resources",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
