"""When two sources are the same kernel: comments, docstrings and layout do not count.

Owns the normalised digest. Parses Python, never runs it.
"""

from __future__ import annotations

import ast
import warnings

from runner.contract import sha256_hex


def fingerprint(source: str) -> str:
    """The SHA-256 of what Python sees of `source`; of the text itself where it does not parse."""
    try:
        with warnings.catch_warnings():
            # An invalid escape in hostile code is no news for our terminal.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        for node in ast.walk(tree):
            _drop_docstring(node)
        text = ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        text = source
    return sha256_hex(text.encode("utf-8", "surrogatepass"))


def _drop_docstring(node: ast.AST) -> None:
    if not isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    if node.body and ast.get_docstring(node, clean=False) is not None:
        # A function of nothing but a docstring is one that does nothing.
        node.body[:1] = [] if len(node.body) > 1 or isinstance(node, ast.Module) else [ast.Pass()]
