"""The service's log: one JSON object a line, for our own records and those of every library.

Owns the format, the delivery and request id on each line, and that no secret is ever in one. Other
modules use the standard `logging`; only the ids are bound here.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

REDACTED = "[redacted]"
# By form and not by length: installation tokens are no longer 40 characters.
_TOKENS = re.compile(
    r"""
    -----BEGIN\ [A-Z ]+-----.*?(?:-----END\ [A-Z ]+-----|\Z)   # PEM; cut off, all that is left
    | \bgh[a-z]_[\w.-]+                                        # ghp_, gho_, ghu_, ghs_, ghr_
    | \bgithub_pat_\w+
    | \beyJ[\w-]*\.[\w-]+\.[\w-]*                              # a JWT
    | (?<=://)[^\s/:@]*:[^\s/@]+(?=@)                          # user and password in a URL
    | (?i:(?<=bearer\ )|(?<=basic\ ))[^\s"',]+
    """,
    re.VERBOSE | re.DOTALL,
)
# Short lines of a PEM would match ordinary text.
_SHORTEST_PEM_LINE = 16
_LIBRARIES = ("dbos", "uvicorn", "uvicorn.error", "uvicorn.access")


class Redactor:
    """Takes secrets out of whatever is logged: the configured ones, and all that look like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted(_forms(secrets), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return {self.clean(str(key)): self._clean_value(value) for key, value in event.items()}

    def clean(self, text: str) -> str:
        """`text` with every secret replaced."""
        if self._known:
            text = self._known.sub(REDACTED, text)
        return _TOKENS.sub(REDACTED, text)

    def _clean_value(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.clean(str(key)): self._clean_value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean_value(item) for item in value]
        if isinstance(value, bytes):
            return self.clean(value.decode("utf-8", "replace"))
        return self.clean(str(value))


def configure(level: str, secrets: Iterable[str], stream: TextIO | None = None) -> None:
    """Send every record of this process through one pipe to `stream` (stderr)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,
                # After the last step that makes text, before the one that escapes it.
                Redactor(secrets),
                structlog.processors.JSONRenderer(sort_keys=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        # DBOS gives its logger a handler of its own, at its start, unless there is one.
        library.handlers[:] = [logging.NullHandler()]
        library.propagate = True
    # Their INFO tells every request, and every look at an idle queue.
    for name in ("dbos", "github", "httpx", "urllib3"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def bound(**ids: str) -> AbstractContextManager[object]:
    """Ids (`request_id`, `delivery_id`, …) on every line that this thread logs inside the block."""
    return structlog.contextvars.bound_contextvars(**ids)


def _forms(secrets: Iterable[str]) -> set[str]:
    """Each secret as it is, with its line ends written out, and line by line where it has many."""
    forms: set[str] = set()
    for secret in filter(None, (secret.strip() for secret in secrets)):
        lines = secret.splitlines()
        forms |= {secret, "\\n".join(lines)}
        if len(lines) > 1:
            forms |= {line for line in lines if len(line) >= _SHORTEST_PEM_LINE}
    return forms
