"""From a model's answer to a candidate's source.

Owns the reading of fenced code blocks and the words for an answer without a kernel. Pure text:
parses Python, never runs it.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from runner.bundle import MAX_KERNEL_BYTES
from runner.contract import Candidate, Evaluation, EvaluationStatus, sha256_hex

_OPENING = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
_PYTHON = frozenset({"", "python", "python3", "py", "triton"})
_DIFF_LINE = re.compile(r"^(@@ -\d|--- \S|\+\+\+ \S|[+-](def|import|from|@) ?\w)", re.MULTILINE)

# Outside of a block, where prose may well begin a line with dashes.
_HUNK = re.compile(r"^@@ -\d+(,\d+)? \+\d+(,\d+)? @@", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBlock:
    """One fenced block. `closed` is False where the answer ends inside it."""

    language: str
    text: str
    closed: bool


@dataclass(frozen=True, slots=True)
class NoKernel:
    """An answer without a kernel, and the sentence that tells the model what to do."""

    reason: str


def extract_candidate(content: str, *, entry: str, attempt: int, cut: bool) -> Candidate | NoKernel:
    """The kernel of an answer: the last complete Python block that defines `entry`.

    A later block wins, because models think aloud in code before they settle. A block that does
    not parse still counts when it seems to define `entry`: the screen then names its line.
    """
    blocks = list(code_blocks(content))
    python = [block for block in blocks if block.language in _PYTHON]
    found = [block for block in python if block.closed and defines(block.text, entry)]
    if not found:
        return NoKernel(_why_none(content, blocks, entry, cut))
    source = found[-1].text
    size_bytes = len(source.encode("utf-8", "replace"))
    if size_bytes > MAX_KERNEL_BYTES:
        return NoKernel(f"The kernel has {size_bytes} bytes; at most {MAX_KERNEL_BYTES} are taken.")
    return Candidate.of(source.encode("utf-8", "replace").decode("utf-8"), attempt)


def rejection(failure: NoKernel, content: str) -> Evaluation:
    """The evaluation of an answer without a kernel; its digest is that of the whole answer."""
    return Evaluation(
        status=EvaluationStatus.REJECTED,
        candidate_sha256=sha256_hex(content.encode("utf-8", "replace")),
        device="cpu",
        stage="extract",
        summary=failure.reason,
    )


def code_blocks(content: str) -> Iterator[CodeBlock]:
    """The fenced blocks of a Markdown text in order, by CommonMark's rule for fences.

    A block ends at a fence of the same character at least as long as the one that opened it, so a
    longer fence may hold shorter ones. Indented fences (in a list) lose their indentation.
    """
    lines = iter(content.replace("\r\n", "\n").split("\n"))
    for line in lines:
        opening = _OPENING.match(line)
        if opening is None:
            continue
        fence, indent = opening["fence"], opening["indent"]
        closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
        body: list[str] = []
        closed = False
        for inner in lines:
            if closing.match(inner):
                closed = True
                break
            body.append(inner.removeprefix(indent))
        words = opening["info"].split()
        yield CodeBlock(
            language=words[0].lower() if words else "",
            text="\n".join(body) + "\n" if body else "",
            closed=closed,
        )


def defines(source: str, name: str) -> bool:
    """Whether `source` defines a function or a class `name` at its top level, or seems to.

    Which of both a problem wants is the screen's to say.
    """
    try:
        with warnings.catch_warnings():
            # An invalid escape in hostile code is no news for our terminal.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return (
            re.search(rf"^(def|class)[ \t]+{re.escape(name)}\b", source, re.MULTILINE) is not None
        )
    kinds = (ast.FunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and node.name == name for node in tree.body)


def _why_none(content: str, blocks: list[CodeBlock], entry: str, cut: bool) -> str:
    """One sentence on why there is no kernel, the likeliest cause first."""
    wanted = f"Return the complete kernel.py, with `{entry}`, in one ```python block."
    if blocks and not blocks[-1].closed:
        cause = "at the length limit" if cut else "before its end"
        return f"The answer stops inside its code block, {cause}: be brief. {wanted}"
    if cut:
        return f"The answer was cut at the length limit before the kernel: think less. {wanted}"
    if not content.strip():
        return f"The answer is empty after the thinking. {wanted}"
    if _is_diff(content, blocks):
        return f"The answer is a diff, not a kernel. {wanted}"
    if not blocks:
        return f"The answer has no fenced code block. {wanted}"
    blocks_word = "code block" if len(blocks) == 1 else f"{len(blocks)} code blocks"
    return f"The answer's {blocks_word} of Python never define `{entry}` at top level. {wanted}"


def _is_diff(content: str, blocks: list[CodeBlock]) -> bool:
    """Whether the answer is made of changes, in a block or bare."""
    if not blocks:
        return _HUNK.search(content) is not None
    return any(
        block.language in ("diff", "patch") or _DIFF_LINE.search(block.text) for block in blocks
    )
