"""The HTTP library that the installed OpenAI client is built on.

Owns its choice. Version 3 of the client left httpx for httpx2, which has the same interface but
classes of its own: an `except` that names the other library's catches nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import openai

if TYPE_CHECKING:
    import httpx
else:
    # The client's own class of HTTP clients says whose it is.
    base = openai.DefaultAsyncHttpxClient.__mro__[1]
    httpx = importlib.import_module(base.__module__.partition(".")[0])

__all__ = ["httpx"]
