"""The first look at a candidate: pure syntax, in milliseconds, before anything runs.

Owns plain mistakes (no entry, other parameters, no Triton kernel) and plain cheats (forbidden
modules, patched modules, library kernels). Advisory: fast feedback, never the security boundary.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from runner.contract import EvaluationStatus
from runner.problem import Problem
from runner.verifier.finding import KERNEL_FILE, Finding
from runner.verifier.screen_names import (
    ALLOWED_IMPORTS,
    ALLOWED_PREFIXES,
    ALLOWED_UNDERSCORED,
    FORBIDDEN_ATTRIBUTES,
    FORBIDDEN_BUILTINS,
    FORBIDDEN_PREFIXES,
    LIBRARY_KERNELS,
    LIBRARY_MODULES,
)

MAX_SOURCE_BYTES = 256 << 10
Fault = tuple[int | None, str]
_NO_KERNEL: Fault = (
    None,
    "has no Triton kernel: no function is decorated with @triton.jit",
)


def screen(source: str, problem: Problem) -> Finding | None:
    """The reason to reject `source` for `problem`, or None. Never raises."""
    faults = sorted(set(_faults(source, problem)), key=lambda fault: (fault[0] or 0, fault[1]))
    if not faults:
        return None
    lines = [f"{KERNEL_FILE}:{line}: {text}" if line else text for line, text in faults]
    return Finding(
        status=EvaluationStatus.REJECTED,
        stage="screen",
        summary=lines[0],
        detail="\n".join(lines[:20]),
    )


def _faults(source: str, problem: Problem) -> list[Fault]:
    if not source.strip():
        return [(None, "the candidate is empty")]
    size_bytes = len(source.encode("utf-8", errors="surrogatepass"))
    if size_bytes > MAX_SOURCE_BYTES:
        return [
            (None, f"the candidate has {size_bytes} bytes; at most {MAX_SOURCE_BYTES} are taken")
        ]
    try:
        source.encode("utf-8")
        tree = _without_main_block(ast.parse(source))
    except UnicodeEncodeError:
        return [(None, "the candidate is not text")]
    except SyntaxError as error:
        return [(error.lineno, f"does not parse: {error.msg}")]
    except ValueError as error:  # a NUL byte, before Python 3.12
        return [(None, f"does not parse: {error}")]
    except (RecursionError, MemoryError):
        return [(None, "does not parse: it is nested too deeply")]
    try:
        names = _Names(tree)
        faults = _structure_faults(tree, problem, names) + list(_name_faults(tree, names))
        if problem.policy == "triton-only":
            faults += _library_faults(tree, problem.entry, names)
    except RecursionError:
        return [(None, "is nested too deeply")]
    return faults


def _without_main_block(tree: ast.Module) -> ast.Module:
    """`tree` less its `if __name__ == "__main__":` blocks, which no worker ever runs.

    A file that gives itself another name gets no such allowance.
    """
    if not any(_binds_name(node) for node in ast.walk(tree)):
        tree.body = [node for node in tree.body if not _is_main_block(node)]
    return tree


def _binds_name(node: ast.AST) -> bool:
    """Whether `node` gives `__name__` a value: by assignment, import, definition or otherwise."""
    if isinstance(node, ast.Attribute | ast.Constant):
        return False
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        return False
    values = [value for _, value in ast.iter_fields(node)]
    return any(v == "__name__" or (isinstance(v, list) and "__name__" in v) for v in values)


def _is_main_block(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and not node.orelse
        and ast.unparse(node.test) in ("__name__ == '__main__'", "'__main__' == __name__")
    )


class _Names:
    """What each imported name stands for, as a dotted path: `tl` → `triton.language`."""

    def __init__(self, tree: ast.Module) -> None:
        self.paths: dict[str, str] = {}
        self.imports: list[tuple[int, str]] = []
        self.modules: set[str] = set()  # further names of what was imported
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.imports.append((node.lineno, alias.name))
                    bound = alias.asname or alias.name.split(".")[0]
                    self.paths[bound] = alias.name if alias.asname else bound
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                for alias in node.names:
                    self.imports.append((node.lineno, f"{module}.{alias.name}"))
                    self.paths[alias.asname or alias.name] = f"{module}.{alias.name}"

        imported = {path for _, path in self.imports}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.value, ast.Name | ast.Attribute)
                and self.resolve(node.value) in imported
            ):
                self.modules |= {t.id for t in node.targets if isinstance(t, ast.Name)}

    def resolve(self, node: ast.expr) -> str | None:
        """The dotted path of an expression that starts at an import, else None."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.paths:
            return None
        return ".".join([self.paths[node.id], *reversed(parts)])


def _structure_faults(tree: ast.Module, problem: Problem, names: _Names) -> list[Fault]:
    if problem.module is not None:
        return _class_faults(tree, problem, names)
    faults: list[Fault] = []
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    entries = [node for node in functions if node.name == problem.entry]
    wanted = [spec.name for spec in problem.inputs]
    if not entries:
        signature = f"{problem.entry}({', '.join(wanted)})"
        faults.append((None, f"defines no function {signature} at its top level"))
    else:
        faults += _parameter_faults(entries[-1], wanted)
    kernels = _kernels(tree, names)
    if not kernels:
        faults.append(_NO_KERNEL)
    elif entries and entries[-1] in kernels:
        faults.append(
            (entries[-1].lineno, f"{problem.entry} is a kernel itself, not its host code")
        )
    return faults


def _class_faults(tree: ast.Module, problem: Problem, names: _Names) -> list[Fault]:
    """What a candidate for a task given as a class must have; its bases only Python can tell."""
    faults: list[Fault] = [] if _kernels(tree, names) else [_NO_KERNEL]
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == problem.entry]
    if not classes:
        return [*faults, (None, f"defines no class {problem.entry} at its top level")]
    methods = [node for node in classes[-1].body if isinstance(node, ast.FunctionDef)]
    if all(method.name != "forward" for method in methods):
        faults.append((classes[-1].lineno, f"{problem.entry} has no method forward"))
    return faults


def _kernels(tree: ast.Module, names: _Names) -> list[ast.FunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and _is_kernel(n, names)]


def _parameter_faults(entry: ast.FunctionDef, wanted: list[str]) -> list[Fault]:
    arguments = entry.args
    positional = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    required = len(positional) - len(arguments.defaults)
    needed = [
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    if positional[: len(wanted)] == wanted and required <= len(wanted) and not needed:
        return []
    found = ", ".join([*positional, *needed])
    message = f"{entry.name}({found}) should take {entry.name}({', '.join(wanted)})"
    return [(entry.lineno, message)]


def _is_kernel(function: ast.FunctionDef, names: _Names) -> bool:
    for decorator in function.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if names.resolve(target) in ("triton.jit", "triton.runtime.jit.jit"):
            return True
    return False


def _name_faults(tree: ast.Module, names: _Names) -> Iterator[Fault]:
    for line, path in names.imports:
        if path.split(".")[0] not in ALLOWED_IMPORTS:
            yield line, f"imports {path}; a kernel may import torch, triton and math-like modules"
        elif path.endswith(".*"):
            yield line, f"imports {path}; name what is needed"
        elif (why := _forbidden(path)) is not None:
            yield line, f"imports {path}, which {why}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_BUILTINS:
            yield node.lineno, f"uses {node.id}, which a kernel has no need for"
        elif isinstance(node, ast.Attribute):
            yield from _attribute_faults(node, names)
        elif isinstance(node, ast.Call):
            yield from _getattr_faults(node)


def _attribute_faults(node: ast.Attribute, names: _Names) -> Iterator[Fault]:
    path = names.resolve(node)
    if node.attr.startswith("_") and node.attr not in ALLOWED_UNDERSCORED:
        yield node.lineno, f"uses the private attribute {node.attr}"
    elif node.attr in FORBIDDEN_ATTRIBUTES:
        yield node.lineno, f"uses {path or '.' + node.attr}, which leaves PyTorch and Triton"
    elif (
        not isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name)
        and node.value.id in names.modules
    ):
        yield node.lineno, f"patches {node.value.id}.{node.attr}"
    elif path is not None:
        if not isinstance(node.ctx, ast.Load):
            yield node.lineno, f"patches {path}"
        elif (why := _forbidden(path)) is not None:
            yield node.lineno, f"uses {path}, which {why}"


def _getattr_faults(node: ast.Call) -> Iterator[Fault]:
    """`getattr` is fine with a plain literal; with anything else it hides a name."""
    if not isinstance(node.func, ast.Name) or node.func.id != "getattr" or len(node.args) < 2:
        return
    name = node.args[1]
    text = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else None
    if text is None or text.startswith("_") or text in FORBIDDEN_ATTRIBUTES:
        yield node.lineno, "uses getattr to reach a hidden or computed name"


def _forbidden(path: str) -> str | None:
    if any(path == hole or path.startswith(f"{hole}.") for hole in ALLOWED_PREFIXES):
        return None
    if path in ("triton.runtime", "triton.tools"):
        return None  # a step on the way to an allowed name; nothing by itself
    for prefix, why in FORBIDDEN_PREFIXES.items():
        if path == prefix or path.startswith(f"{prefix}."):
            return why
    return None


def _library_faults(tree: ast.Module, entry: str, names: _Names) -> list[Fault]:
    """Library kernels that the entry calls, directly or through functions of this file."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    reached: set[str] = set()
    queue = [entry]
    faults: list[Fault] = []
    while queue:
        name = queue.pop()
        if name in reached or name not in functions or _is_kernel(functions[name], names):
            continue
        reached.add(name)
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.Name):
                queue.append(node.id)
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
                faults.append((node.lineno, "multiplies with @ outside a Triton kernel"))
            elif isinstance(node, ast.Call) and (path := names.resolve(node.func)) is not None:
                last = path.rsplit(".", 1)[-1]
                of_library = path.startswith("torch.") and last in LIBRARY_KERNELS
                if of_library or path.startswith(LIBRARY_MODULES):
                    faults.append((node.lineno, f"calls {path}: not a Triton kernel of its own"))
    return faults
