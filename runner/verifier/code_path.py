"""Which blocks of a kernel the interpreter ran, and which the compiler took in; with what each
launch was called.

A kernel can tell the two apart, in its host code or by what a name stands for, and show the
compiler another one. Owns the record on both sides; `verdict` compares them. Worker side. A block
is a digest of its whole function and the number of its first node, so that equal lines elsewhere
do not stand for it. A launch is noted beside them, under `LAUNCH`.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import triton.language as tl
from triton.compiler.code_generator import CodeGenerator
from triton.runtime import interpreter, jit

from runner.verifier.wire import LAUNCH

Blocks = dict[str, set[int]]
_NOTE = "_note_kernel_block"
_NONE = object()
_originals: dict[Any, Any] = {}  # a function as the interpreter rewrote it → as it was written


def to_json(blocks: Blocks) -> dict[str, list[int]]:
    """For a reply."""
    return {digest: sorted(numbers) for digest, numbers in blocks.items()}


def note_launch(
    blocks: Blocks,
    kernel: tuple[Any, Sequence[str]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    grid: Sequence[int],
) -> None:
    """What the host code decided about one launch. `kernel`: its function, its arguments' names.

    What the function's global names stand for is the host code's to decide as well.
    """
    function, names = kernel
    function = _originals.get(function, function)
    name = function.__name__
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    # What is not said is a default: the same in both.
    said = [f"{key}={_said(given[key])}" for key in names if key in given]
    sizes = [*map(int, grid), 1, 1][:3]
    text = "\0".join((name, str(sizes), *said, *sorted(_globals_of(function, {})))).encode(
        errors="replace"
    )
    number = int(hashlib.sha256(text).hexdigest()[:12], 16)
    blocks.setdefault(LAUNCH, set()).add(number)


def _globals_of(function: Any, known: dict[Any, None]) -> Iterator[str]:
    """What the names of a kernel mean, and those of the kernels that it calls."""
    known[function] = None
    for name in function.__code__.co_names:
        value = function.__globals__.get(name, _NONE)
        if value is _NONE or value is vars(interpreter).get(name, _NONE):
            continue  # an attribute; or a name that the interpreter lends to kernels
        called = getattr(value, "fn", None)
        if isinstance(value, tl.constexpr):
            yield f"{name}={_said(value)}"
        elif inspect.isfunction(called):
            yield f"{name}={called.__qualname__}"
            if called not in known and _is_own(called.__code__.co_filename):
                yield from _globals_of(called, known)
        else:
            yield f"{name}={getattr(value, '__name__', type(value).__name__)}"


def _said(value: Any) -> str:
    """Numbers as they are; of everything else what kind it is."""
    if isinstance(value, tl.constexpr):
        value = value.value
    if isinstance(value, tuple | list):
        return f"({','.join(map(_said, value))})"
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return "tensor" if hasattr(value, "data_ptr") else "other"


def record_interpreter(ran: Blocks) -> None:
    """From now on every block that the interpreter enters is noted in `ran`."""

    def note(digest: str, number: int) -> None:
        ran.setdefault(digest, set()).add(number)

    setattr(builtins, _NOTE, note)
    _keep_constexpr_functions_to_constants()
    rewrite = interpreter.FunctionRewriter.rewrite_ast

    def rewrite_ast(rewriter: Any) -> Any:
        if not _is_own(rewriter.fn.__code__.co_filename):
            return rewrite(rewriter)
        rewriter.ast_transformer = _Marked(rewriter.ast_transformer)
        rewritten = rewrite(rewriter)
        _originals[rewritten] = rewriter.fn
        return rewritten

    interpreter.FunctionRewriter.rewrite_ast = rewrite_ast


def record_compiler(seen: Blocks) -> None:
    """From now on every node that the compiler generates code for is noted in `seen`."""
    _keep_constexpr_functions_to_constants()
    visit = CodeGenerator.visit
    known: dict[int, tuple[str, int]] = {}
    alive: list[ast.AST] = []  # a node's id means something only as long as the node lives

    def noted(generator: Any, node: Any) -> Any:
        if isinstance(node, ast.FunctionDef) and _is_own(generator.file_name):
            alive.append(node)
            digest, numbers = _numbered(node)
            known.update({key: (digest, number) for key, number in numbers.items()})
        place = known.get(id(node))
        if place is not None:
            seen.setdefault(place[0], set()).add(place[1])
        return visit(generator, node)

    CodeGenerator.visit = noted


def _keep_constexpr_functions_to_constants() -> None:
    """They are Python: what one does to a tensor of the interpreter no compiler sees."""
    kind = getattr(jit, "ConstexprFunction", None)  # since Triton 3.5
    if kind is None:
        return
    call = kind.__call__

    def on_constants(function: Any, *args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        if _is_own(function.fn.__code__.co_filename) and any(
            isinstance(value, tl.tensor) for value in given
        ):
            raise TypeError("a constexpr_function takes constants, and it was given a tensor")
        return call(function, *args, **kwargs)

    kind.__call__ = on_constants


class _Marked:
    """The interpreter's transformer of syntax trees, each block beginning with a note."""

    def __init__(self, transformer: Any) -> None:
        self._transformer = transformer

    def visit(self, tree: ast.Module) -> Any:
        for function in tree.body:
            if isinstance(function, ast.FunctionDef):
                _mark(function)
        return self._transformer.visit(tree)


def _mark(function: ast.FunctionDef) -> None:
    digest, numbers = _numbered(function)

    def note(node: ast.AST) -> ast.Call:
        given: list[ast.expr] = [ast.Constant(digest), ast.Constant(numbers[id(node)])]
        return ast.Call(func=ast.Name(id=_NOTE, ctx=ast.Load()), args=given, keywords=[])

    def noted(node: ast.expr) -> ast.expr:
        pair = ast.Tuple(elts=[note(node), node], ctx=ast.Load())
        return ast.Subscript(value=pair, slice=ast.Constant(1), ctx=ast.Load())

    for node in list(ast.walk(function)):
        if isinstance(node, ast.IfExp):
            node.body, node.orelse = noted(node.body), noted(node.orelse)
        elif isinstance(node, ast.BoolOp):
            node.values[1:] = [noted(value) for value in node.values[1:]]
        for block in _blocks(node):
            block.insert(0, ast.Expr(value=note(block[0])))


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block:
            yield block


def _numbered(function: ast.FunctionDef) -> tuple[str, dict[int, int]]:
    """A digest of the function, and the number of each of its nodes by its id."""
    digest = hashlib.sha256(ast.dump(function).encode(errors="replace")).hexdigest()[:16]
    return digest, {id(node): number for number, node in enumerate(ast.walk(function))}


def _is_own(path: str) -> bool:
    """Whether a file is the candidate's; Triton's own functions may differ."""
    return path.startswith(os.environ["TMPDIR"] + os.sep)
