"""The delivered source of a tuned kernel: the winner written in, the search taken out.

Owns the words and the layout of what is written. All other text stays byte for byte. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.contract import Workload
from runner.problem import TensorSpec
from runner.tune.declaration import BY_SHAPE, CONFIG, Declaration, Span
from runner.tune.types import Config

_LINE_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen: one configuration for all shapes, and others for some workloads.

    `gpu`: where it was measured, for example "NVIDIA H200". `among`: how many configurations were
    tried there.
    """

    config: Config
    by_workload: Mapping[str, Config] = field(default_factory=dict)
    gpu: str
    among: int


def freeze(
    source: str,
    declaration: Declaration,
    choice: Choice,
    inputs: Sequence[TensorSpec],
    workloads: Sequence[Workload],
) -> str:
    """`source` with `choice` in place of its search space.

    TUNABLES goes, CONFIG holds the choice, and where `choice.by_workload` names some of
    `workloads`, pick_config looks their input shapes up and returns CONFIG for all others.
    """
    own = {str(w): choice.by_workload[str(w)] for w in workloads if str(w) in choice.by_workload}
    key = _key_inputs(inputs, workloads)
    edits = [_without(source, declaration.tunables_at)]
    value = _dict_text(choice.config, f"{CONFIG} = ")
    edits.append((declaration.value_at, value))
    at = declaration.config_at
    edits.append((Span(start=at.start, end=at.start), _comment(choice, bool(own))))
    if own and key:
        rows = {_shapes_text(key, w): own[str(w)] for w in workloads if str(w) in own}
        end = _line_end(source, at.end)
        new_line = "" if source.encode()[:end].endswith(b"\n") else "\n"
        edits.append((Span(start=end, end=end), new_line + _table(rows)))
        names = zip(declaration.parameters, inputs, strict=False)
        shapes = [f"{name}.shape" for name, spec in names if spec in key]
        lookup = shapes[0] if len(shapes) == 1 else f"({', '.join(shapes)})"
        edits.append((declaration.return_at, f"return {BY_SHAPE}.get({lookup}, {CONFIG})"))
    data = source.encode()
    for span, text in sorted(edits, key=lambda edit: (edit[0].start, edit[0].end), reverse=True):
        data = data[: span.start] + text.encode() + data[span.end :]
    return data.decode()


def _comment(choice: Choice, by_shape: bool) -> str:
    """One line: on which GPU, and among how many."""
    count = f"Fastest of {choice.among} configurations"
    if choice.among == 1:
        count = "The only configuration that was tried"
    rest = "; some shapes have their own, below" if by_shape else ""
    return f"# {count} on {choice.gpu}{rest}.\n"


def _without(source: str, at: Span) -> tuple[Span, str]:
    """Take out a statement with its lines, the comment right above it and the blank lines below."""
    data = source.encode()
    start = data.rfind(b"\n", 0, at.start) + 1
    end = _line_end(source, at.end)
    while (above := data.rfind(b"\n", 0, max(0, start - 1)) + 1) < start:
        if not data[above:start].lstrip().startswith(b"#") or data[above:start].startswith(b"#!"):
            break
        start = above
    blank_above = start == 0 or not data[data.rfind(b"\n", 0, start - 1) + 1 : start].strip()
    while blank_above and end < len(data):
        line_end = _line_end(source, end)
        if data[end:line_end].strip():
            break
        end = line_end
    return Span(start=start, end=end), ""


def _line_end(source: str, offset: int) -> int:
    data = source.encode()
    found = data.find(b"\n", offset)
    return len(data) if found < 0 else found + 1


def _key_inputs(
    inputs: Sequence[TensorSpec], workloads: Sequence[Workload]
) -> tuple[TensorSpec, ...]:
    """The inputs whose shapes tell the workloads apart: each brings an axis that is new."""
    axes = {name for workload in workloads for name in workload.axes}
    key: list[TensorSpec] = []
    for spec in inputs:
        new = {dim for dim in spec.shape if isinstance(dim, str)} & axes
        if new:
            key.append(spec)
            axes -= new
    return tuple(key)


def _shapes_text(key: Sequence[TensorSpec], workload: Workload) -> str:
    shapes = [spec.concrete_shape(workload) for spec in key]
    return repr(shapes[0] if len(shapes) == 1 else tuple(shapes))


def _table(rows: Mapping[str, Config]) -> str:
    lines = []
    for shapes, config in rows.items():
        prefix = f"    {shapes}: "
        text = _dict_text(config, prefix, margin=1)
        lines.append(f"{prefix}{text.replace(chr(10), chr(10) + '    ')},\n")
    return f"{BY_SHAPE} = {{\n{''.join(lines)}}}\n"


def _dict_text(config: Config, prefix: str, margin: int = 0) -> str:
    """A dict in one line behind `prefix`, or one key a line where that is too long."""
    items = [f"{_quoted(name)}: {_literal(value)}" for name, value in config.items()]
    short = f"{{{', '.join(items)}}}"
    if len(prefix) + len(short) + margin <= _LINE_CHARS:
        return short
    return "{\n" + "".join(f"    {item},\n" for item in items) + "}"


def _literal(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    """With double quotes, as a formatter would have it."""
    shown = repr(text)
    return shown if '"' in text or "\\" in shown else f'"{shown[1:-1]}"'
