"""For every test: what it does to this process's environment, it undoes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

# What pytest, Ray and PyTorch's compiler note there for themselves, and nobody else reads.
OF_LIBRARIES = ("PYTEST_", "RAY_", "PYTHONBREAKPOINT", "TORCHINDUCTOR_CACHE_DIR")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(OF_LIBRARIES)}


@pytest.fixture(autouse=True)
def environment_is_left_as_it_was() -> Iterator[None]:
    """Children of later tests inherit it: with a TRITON_INTERPRET left there none compiles."""
    before = environment()
    yield
    after = environment()
    for name in after.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    assert after == before
