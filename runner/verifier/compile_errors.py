"""What Triton's compiler said, trimmed to the candidate's own lines. Worker side only."""

from __future__ import annotations

from typing import Any

from triton.compiler.errors import CompilationError

from runner.verifier.foreign import MAX_MESSAGE_CHARS, ForeignCode


def describe_compile_error(error: BaseException, code: ForeignCode) -> dict[str, Any]:
    """The reply for a failed compilation: the innermost line of the candidate, and its cause."""
    found: list[tuple[int, str]] = []
    elsewhere: list[str] = []  # from functions of triton.language that the candidate calls
    cause: BaseException = error
    link: BaseException | None = error
    for _ in range(16):
        if link is None:
            break
        cause = link
        if isinstance(link, CompilationError):
            line = _line_of(link, code)
            if line is not None:
                found.append((line, link.error_message or ""))
            elif link.error_message:
                elsewhere.append(link.error_message)
        link = link.__cause__
    described = code.describe(error)
    if not found:
        return described
    # A CompilationError without a message of its own only says where; the cause says what.
    own = [message for _, message in found if message] or elsewhere
    message = own[-1] if own else ("" if isinstance(cause, CompilationError) else str(cause))
    described |= {"line": found[-1][0], "lines": [line for line, _ in found][-8:]}
    described["message"] = message.strip()[:MAX_MESSAGE_CHARS] or type(cause).__name__
    return described


def _line_of(error: CompilationError, code: ForeignCode) -> int | None:
    """The line in the candidate's file: Triton counts from the kernel's own `def`."""
    within = getattr(error.node, "lineno", None)
    if within is None or not error.src:
        return None
    first = error.src.split("\n", 1)[0].strip()
    for number, text in enumerate(code.source.splitlines(), start=1):
        if text.strip() == first:
            return int(number + within - 1)
    return None
