"""What a kernel declares for tuning: TUNABLES, CONFIG and pick_config, read from its text.

Owns the contract and one sentence for each breach of it. Parses, and never runs the source.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from runner.tune.types import Config, Scalar

TUNABLES, CONFIG, PICK = "TUNABLES", "CONFIG", "pick_config"
BY_SHAPE = "CONFIG_BY_SHAPE"  # the tuner's own name in the frozen source
MAX_NAMES = 8
MAX_CONFIGURATIONS = 512
_FILE = "kernel.py"
_MAX_WORD_CHARS = 100


class DeclarationFault(ValueError):
    """A declaration against the contract. The message is one sentence that the model can act on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of the source: offsets into its UTF-8 bytes, the end not included."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A checked declaration, and where its parts stand in the source.

    `parameters`: those of pick_config, which are the entry's. `tunables_at`: the statement.
    `config_at`: the statement, `value_at` its right side. `return_at`: pick_config's last line.
    """

    tunables: Mapping[str, tuple[Scalar, ...]]
    default: Config
    parameters: tuple[str, ...]
    tunables_at: Span
    config_at: Span
    value_at: Span
    return_at: Span

    def configurations(self, limit: int = MAX_CONFIGURATIONS) -> tuple[Config, ...]:
        """The default first, then the others; at most `limit` in all, spread evenly."""
        names, lists = tuple(self.tunables), tuple(self.tunables.values())
        found = [self.default]
        known = {_key(self.default)}
        for number in _spread(math.prod(map(len, lists))):
            if len(found) >= limit:
                break
            config: dict[str, Scalar] = {}
            for name, values in zip(names, lists, strict=True):
                number, place = divmod(number, len(values))
                config[name] = values[place]
            if _key(config) not in known:
                known.add(_key(config))
                found.append(config)
        return tuple(found)


def read_declaration(source: str, entry: str) -> Declaration | None:
    """What `source` declares for the entry function `entry`; None where it has no TUNABLES.

    Raises DeclarationFault with one sentence, and SyntaxError for what does not parse.
    """
    tree = ast.parse(source)
    tunables = _assignment(tree, TUNABLES)
    if tunables is None:
        return None
    config = _assignment(tree, CONFIG)
    if config is None:
        _refuse(tunables, f"{TUNABLES} needs {CONFIG} beside it, a dict with the same keys")
    lists = _lists(tunables)
    default = _default(config, lists)
    entries = [node for node in tree.body if _is_function(node, entry)]
    picks = [node for node in tree.body if _is_function(node, PICK)]
    if not entries or not isinstance(entries[-1], ast.FunctionDef):
        raise DeclarationFault(f"{_FILE} defines no function {entry}")
    if len(picks) != 1 or not isinstance(picks[0], ast.FunctionDef):
        _refuse(tunables, f"{TUNABLES} needs exactly one function {PICK} at the top level")
    parameters = _names(entries[-1].args)
    last = _check_pick(picks[0], parameters)
    _check_uses(tree, (tunables, config, picks[0]))
    for node in (tunables, config):
        if len(_on_lines_of(node, tree)) > 1:
            _refuse(node, "TUNABLES and CONFIG must each stand on lines of their own")
    at = _Offsets(source)
    return Declaration(
        tunables=lists,
        default=default,
        parameters=parameters,
        tunables_at=at.span(tunables),
        config_at=at.span(config),
        value_at=at.span(_value(config)),
        return_at=at.span(last),
    )


_Assignment = ast.Assign | ast.AnnAssign


def _assignment(tree: ast.Module, name: str) -> _Assignment | None:
    """The one statement at the top level that gives `name` its value."""
    found: list[_Assignment] = []
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets: list[ast.expr] = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        else:
            continue
        if len(targets) == 1 and isinstance(targets[0], ast.Name) and targets[0].id == name:
            found.append(node)
    if len(found) > 1:
        _refuse(found[1], f"{name} has more than one value; declare it once")
    return found[0] if found else None


def _value(node: _Assignment) -> ast.expr:
    if node.value is None:
        raise DeclarationFault("an annotation without a value")
    return node.value


def _lists(node: _Assignment) -> dict[str, tuple[Scalar, ...]]:
    value = _literal(node, TUNABLES)
    if not isinstance(value, dict) or not value:
        _refuse(node, f'{TUNABLES} must be a dict such as {{"BLOCK_M": [64, 128]}}')
    if len(value) > MAX_NAMES:
        _refuse(node, f"{TUNABLES} has {len(value)} names; at most {MAX_NAMES} are searched")
    found: dict[str, tuple[Scalar, ...]] = {}
    for name, values in value.items():
        if not isinstance(name, str) or not name.isidentifier():
            _refuse(node, f"{TUNABLES} has the key {name!r:.40}; keys are names in quotes")
        if not isinstance(values, list | tuple) or not values:
            _refuse(node, f"{TUNABLES}[{name!r}] must be a list with at least one value")
        for one in values:
            if not _is_scalar(one):
                _refuse(node, f"{TUNABLES}[{name!r}] has {one!r:.40}; {_SCALARS}")
        found[name] = tuple({_word(one): one for one in values}.values())
    return found


def _default(node: _Assignment, lists: Mapping[str, tuple[Scalar, ...]]) -> Config:
    value = _literal(node, CONFIG)
    if not isinstance(value, dict):
        _refuse(node, f'{CONFIG} must be a dict such as {{"BLOCK_M": 64}}')
    if set(value) != set(lists):
        apart = ", ".join(sorted(map(str, set(value) ^ set(lists))))
        _refuse(node, f"{CONFIG} and {TUNABLES} must have the same keys; they differ in {apart}")
    for name, one in value.items():
        if not _is_scalar(one):
            _refuse(node, f"{CONFIG}[{name!r}] is {one!r:.40}; {_SCALARS}")
    return {name: value[name] for name in lists}


_SCALARS = "a value is a number, a string, True, False or None"


def _literal(node: _Assignment, name: str) -> object:
    try:
        return ast.literal_eval(_value(node))
    except (ValueError, TypeError, MemoryError, RecursionError):
        _refuse(node, f"{name} must be written out in literals; it is read, and never run")


def _is_scalar(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_WORD_CHARS
    if isinstance(value, int):
        return abs(value) < 1 << 63
    return value is None or (isinstance(value, float) and math.isfinite(value))


def _check_pick(function: ast.FunctionDef, parameters: tuple[str, ...]) -> ast.stmt:
    """pick_config takes what the entry takes and returns CONFIG; its last statement."""
    if _names(function.args) != parameters:
        _refuse(function, f"{PICK} must take the entry's parameters: {', '.join(parameters)}")
    body = function.body
    if len(body) == 2 and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    last = body[-1]
    returns = isinstance(last, ast.Return) and isinstance(last.value, ast.Name)
    if len(body) != 1 or not returns or ast.unparse(last) != f"return {CONFIG}":
        _refuse(function, f"the body of {PICK} must be `return {CONFIG}` and nothing else")
    if function.decorator_list:
        _refuse(function, f"{PICK} must have no decorator: the configuration changes between calls")
    return last


def _check_uses(tree: ast.Module, own: tuple[ast.stmt, ...]) -> None:
    """What the frozen source takes away or replaces is used nowhere else."""
    called = False
    for statement in tree.body:
        for node in ast.walk(statement):
            if not isinstance(node, ast.Name):
                continue
            if node.id == BY_SHAPE:
                _refuse(node, f"{BY_SHAPE} is a name of the tuner's; choose another")
            if statement not in own and node.id == TUNABLES:
                _refuse(node, f"{TUNABLES} is used; only the tuner reads it")
            if statement not in own and node.id == CONFIG:
                _refuse(node, f"{CONFIG} is used outside {PICK}; ask {PICK} for it")
            called = called or (statement not in own and node.id == PICK)
    if not called:
        _refuse(own[0], f"nothing calls {PICK}; the entry takes its launch parameters from it")


def _on_lines_of(node: ast.stmt, tree: ast.Module) -> list[ast.stmt]:
    """The statements at the top level that share a line with `node`, itself among them."""
    last = node.end_lineno or node.lineno
    return [
        other
        for other in tree.body
        if other.lineno <= last and (other.end_lineno or other.lineno) >= node.lineno
    ]


def _names(arguments: ast.arguments) -> tuple[str, ...]:
    return tuple(one.arg for one in [*arguments.posonlyargs, *arguments.args])


def _is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name


def _refuse(node: ast.stmt | ast.expr, sentence: str) -> NoReturn:
    raise DeclarationFault(f"{_FILE}:{node.lineno}: {sentence}") from None


def _spread(total: int) -> Iterator[int]:
    """Every number below `total` once, each stretch of them spread evenly over the whole.

    Steps of the golden ratio (a Kronecker sequence), made coprime to `total` so that none comes
    twice: a plain stride would meet one value alone of a tunable whose count divides it.
    """
    step = max(1, round(total * (math.sqrt(5) - 1) / 2))
    while math.gcd(step, total) != 1:
        step += 1
    return (number * step % total for number in range(total))


def _word(value: Scalar) -> str:
    """1, 1.0 and True are equal, and not the same configuration."""
    return f"{type(value).__name__} {value!r}"


def _key(config: Config) -> tuple[str, ...]:
    return tuple(_word(config[name]) for name in sorted(config))


class _Offsets:
    """From the lines and columns of the parser to offsets."""

    def __init__(self, source: str) -> None:
        self._starts = [0]
        for line in source.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.stmt | ast.expr) -> Span:
        end_line, end_col = node.end_lineno, node.end_col_offset
        if end_line is None or end_col is None:
            raise DeclarationFault("a statement without an end")
        return Span(
            start=self._starts[node.lineno - 1] + node.col_offset,
            end=self._starts[end_line - 1] + end_col,
        )
