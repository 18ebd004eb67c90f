"""Words that the judge and its workers must agree on. Imports nothing: workers start with it."""

from __future__ import annotations

from typing import Final

# Among the blocks that a worker reports: with what a kernel was called.
LAUNCH: Final = "launch"
# baseline.py's `prepare_NAME(*inputs)` makes what a model makes once and many calls share, such as
# a block mask: it is no part of a timed call. NAME takes what it returns behind the inputs.
PREPARATION: Final = "prepare_"
