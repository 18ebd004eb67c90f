"""The base of the dispatch modes that the workers run foreign code under.

Owns one thing: that entering a mode does not import the compiler of PyTorch.
"""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class EagerMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A TorchDispatchMode that TorchDynamo is not told about: nothing is compiled under it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # PyTorch 2.13 would wrap each mode's handler, which imports torch._dynamo in the middle of
        # the first call: 2 s of a verdict that takes 2 s without it.
        return False
