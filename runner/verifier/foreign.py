"""Loading and running foreign code inside a worker, and telling what went wrong in its own lines.

Owns import of the one source a worker gets and the trimming of errors. Worker side only; whatever
foreign code raises, SystemExit included, becomes a reply.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

MAX_MESSAGE_CHARS = 3000


class ForeignCode:
    """The source under test: a module with an entry function."""

    def __init__(self, source: str, file_name: str) -> None:
        # A real file: Triton reads the source of a kernel from it, and errors name it.
        self.path = Path(os.environ["TMPDIR"]) / file_name
        self.path.write_text(source, encoding="utf-8")
        self.source = source
        self.module: ModuleType | None = None

    def load(self, entry: str | dict[str, Any]) -> Callable[..., Any]:
        """Import the module; its entry, a function, or a class as `modules.job` describes it.

        Raises whatever the module raises.
        """
        module = self.run()
        if isinstance(entry, dict):
            from runner.verifier.modules.entry import ModuleEntry

            return ModuleEntry(module, entry)
        function = getattr(module, entry, None)
        if not callable(function):
            message = f"defines no function {entry!r}"
            raise AttributeError(message)  # noqa: TRY004 - as an import would
        found: Callable[..., Any] = function
        return found

    def run(self) -> ModuleType:
        """Import the module. Raises whatever it raises."""
        name = self.path.stem
        spec = importlib.util.spec_from_file_location(name, self.path)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot import {self.path.name}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        self.module = module
        spec.loader.exec_module(module)
        return module

    def describe(self, error: BaseException) -> dict[str, Any]:
        """The error as a reply: its innermost cause, the line of ours it came from, the lines."""
        try:
            return self._describe(error)
        except BaseException:  # noqa: BLE001 - foreign classes decide how they are shown
            message = "an error that cannot be shown"
            return {"ok": False, "type": "error", "message": message, "line": None, "lines": []}

    def _describe(self, error: BaseException) -> dict[str, Any]:
        chain = list(_causes(error))
        lines = [line for link in chain for line in self._own_lines(link)]
        cause = chain[-1]
        message = str(cause) or type(cause).__name__
        return {
            "ok": False,
            "type": type(cause).__name__,
            "message": message[:MAX_MESSAGE_CHARS],
            "line": lines[-1] if lines else None,
            "lines": lines[-8:],
        }

    def _own_lines(self, error: BaseException) -> list[int]:
        if isinstance(error, SyntaxError) and error.filename == str(self.path) and error.lineno:
            return [error.lineno]
        frames = traceback.extract_tb(error.__traceback__)
        return [f.lineno for f in frames if f.filename == str(self.path) and f.lineno is not None]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    link: BaseException | None = error
    for _ in range(16):  # foreign code may have tied the chain into a ring
        if link is None:
            return
        yield link
        cause = link.__cause__
        # A class of theirs may give anything for its cause.
        link = cause if isinstance(cause, BaseException) else None
