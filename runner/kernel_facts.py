"""The facts in a delivered kernel's docstring, put in and taken out again. Torch-free.

Owns that the rest of the file is the verified candidate, byte for byte: what a verdict is about is
the file without its facts, and only text inside of a string or a comment can be taken for facts.
"""

from __future__ import annotations

import ast

from runner.contract import sha256_hex

# Begins the facts; what comes before it in the docstring is the candidate's own. The sign behind it
# tells, when the facts are taken out, whether that text ended with its line.
MARK = "Measured by kernelwright"
_WHOLE_LINE, _OPEN_LINE = ":", "."
_QUOTES = '"""'


def with_facts(source: str, facts: str) -> str:
    """`source` with `facts` at the end of its docstring.

    A source without a docstring gets one. Where a docstring is written in an unusual way the facts
    stand in a comment above it, for nothing may come between a docstring and a future import.
    """
    own = _own_docstring(source)
    sign = _WHOLE_LINE if own is not None and own.endswith("\n") else _OPEN_LINE
    body = f"{MARK}{sign}\n{_plain(facts)}\n"
    if own is not None:
        gap = "\n" if sign == _WHOLE_LINE else "\n\n"
        rest = source[len(_QUOTES) + len(own) :]
        return f"{_QUOTES}{own}{gap}{body}{rest}"
    if _has_docstring(source):
        return "".join(f"# {line}\n" for line in body.splitlines()) + "\n" + source
    return f"{_QUOTES}{body}{_QUOTES}\n\n{source}"


def without_facts(text: str) -> str:
    """The candidate in a delivered file: `text` itself where it has no facts."""
    if text.startswith(f"# {MARK}{_OPEN_LINE}\n"):
        comment, end, rest = text.partition("\n\n")
        is_comment = all(line.startswith("#") for line in comment.split("\n"))
        return rest if end and is_comment else text
    own = _own_docstring(text)
    if own is None:
        return text
    before, found, facts = own.rpartition(MARK)
    if not found:
        return text
    rest = text[len(_QUOTES) + len(own) :]
    if not before:
        return rest.removeprefix(f"{_QUOTES}\n\n")
    kept = before.removesuffix("\n" if facts.startswith(_WHOLE_LINE) else "\n\n")
    return f"{_QUOTES}{kept}{rest}"


def kernel_digest(text: str) -> str:
    """The SHA-256 of the candidate in a kernel file, whatever facts stand in it."""
    return sha256_hex(without_facts(text))


def _own_docstring(source: str) -> str | None:
    """The text of a docstring that opens the file and says what it seems to say."""
    if not source.startswith(_QUOTES):
        return None
    end = source.find(_QUOTES, len(_QUOTES))
    text = source[len(_QUOTES) : end]
    # With a backslash the three quotes that were found need not be its end.
    return None if end < 0 or "\\" in text else text


def _has_docstring(source: str) -> bool:
    try:
        return ast.get_docstring(ast.parse(source), clean=False) is not None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True  # nothing is put in front of what cannot be read


def _plain(facts: str) -> str:
    """`facts` with nothing that ends a string or begins an escape; no blank line inside."""
    tamed = facts.replace("\\", "/").replace('"', "'")
    return "\n".join(line.rstrip() for line in tamed.splitlines() if line.strip())
