"""The text of `.github/kernelwright.yml` → a `RepositoryConfig`, or every fault with its line.

Hostile until read: nothing but plain YAML values is built, and nothing is expanded. Aliases, tags,
repeated keys, deep nesting and large files are faults.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from yaml.constructor import SafeConstructor

from bot.config import DEFAULT_LABEL, PATH, Label, RepositoryConfig
from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api import GitHub
from bot.records import ConfigRead, FaultRow

MAX_BYTES = 16_384
_MAX_DEPTH = 6
_LABEL = TypeAdapter(Label)
_Path = tuple[str | int, ...]


@dataclass(slots=True)
class _Document:
    """Plain values, and the line of each by its path; a key's own line where it has a key."""

    value: Any
    lines: dict[_Path, int]


class _Fault(Exception):
    """The text cannot be read as plain YAML. `line` is 1-based."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def fetch_config(github: GitHub) -> ConfigRead:
    """The configuration on the default branch as it is now; the defaults where there is no file."""
    try:
        data = github.read_bytes(PATH)
    except GitHubUnavailable:
        raise
    except GitHubError as error:
        if error.status != 413:
            raise
        return _faulty([_Fault(None, f"is larger than {MAX_BYTES} bytes")])
    return ConfigRead(config=RepositoryConfig()) if data is None else read_config(data)


def read_config(data: bytes) -> ConfigRead:
    """Read a file's bytes. Never raises: what is wrong is a fault, and there is no configuration.

    With faults, `label` is still the file's own where that can be read: whoever sets it is told.
    """
    if len(data) > MAX_BYTES:
        return _faulty([_Fault(None, f"is larger than {MAX_BYTES} bytes")])
    try:
        document = _parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return _faulty([_Fault(None, "is not UTF-8 text")])
    except _Fault as fault:
        return _faulty([fault])
    if document.value is None:  # nothing but comments
        return ConfigRead(config=RepositoryConfig())
    try:
        config = RepositoryConfig.model_validate(document.value)
    except ValidationError as error:
        faults = [_Fault(*_explain(fault, document)) for fault in error.errors()]
        return _faulty(sorted(faults, key=lambda fault: fault.line or 0), _label(document.value))
    return ConfigRead(config=config, label=config.label)


def _faulty(faults: list[_Fault], label: str = DEFAULT_LABEL) -> ConfigRead:
    rows = tuple(FaultRow(file=PATH, line=f.line, message=f.message) for f in faults)
    return ConfigRead(config=None, label=label, faults=rows)


def _label(value: Any) -> str:
    try:
        return _LABEL.validate_python(value["label"])
    except (TypeError, KeyError, ValidationError):
        return DEFAULT_LABEL


def _parse(text: str) -> _Document:
    try:
        _refuse_tricks(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = _Document(value=None, lines={})
        document.value = None if node is None else _plain(node, (), document.lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = " ".join(part for part in (error.context, error.problem) if part)
        raise _Fault(_line(mark), f"is not YAML: {words}") from error
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise _Fault(None, f"is not YAML: {str(error).splitlines()[0]}") from error
    return document


def _refuse_tricks(text: str) -> None:
    """Looks at the parser's events, which nest without recursion, before a tree is built."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            raise _Fault(line, "aliases (*name) are not read: write the value out")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Fault(line, "a second document starts here: only one is read")
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _Fault(line, f"is nested more than {_MAX_DEPTH} deep")
        if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent):
            _refuse_marks(event, line)


def _line(mark: Any) -> int | None:
    return None if mark is None else mark.line + 1


def _refuse_marks(event: Any, line: int | None) -> None:
    if event.anchor is not None:
        raise _Fault(line, "anchors (&name) are not read: write the value out")
    if event.tag is not None:
        raise _Fault(line, f"tags ({event.tag[:60]}) are not read: write a plain value")


def _plain(node: yaml.Node, path: _Path, lines: dict[_Path, int]) -> Any:
    """Dictionaries, tuples and scalars. A mapping's key names the line of its value."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return tuple(_plain(item, (*path, n), lines) for n, item in enumerate(node.value))
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node)
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise _Fault(line, "a key must be a plain word")
        key = str(key_node.value)
        if key in found:
            raise _Fault(line, f"the key {key[:60]} stands here a second time")
        lines[(*path, key)] = line
        found[key] = _plain(value_node, (*path, key), lines)
    return found


def _scalar(node: yaml.Node) -> Any:
    """YAML's own null, truth values and whole numbers; all else is text, never a date or float."""
    tag = node.tag.rpartition(":")[2]
    if tag in ("null", "bool", "int"):
        try:
            return SafeConstructor().construct_object(node)
        except ValueError:
            return str(node.value)
    return str(node.value)


def _explain(fault: Any, document: _Document) -> tuple[int | None, str]:
    """Line and words of one of pydantic's faults."""
    path: _Path = tuple(part for part in fault["loc"] if isinstance(part, str | int))
    while path and path not in document.lines:
        path = path[:-1]
    where = ".".join(str(part) for part in path) or "the file"
    words = _words(fault)
    return document.lines.get(path), f"{where}: {words}"


def _words(fault: Any) -> str:
    kind, message = str(fault["type"]), str(fault["msg"])
    given = f", found {fault['input']!r:.60}"
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(fault["loc"][-1]), _known_keys(fault["loc"]), n=1)
        return f"unknown key; did you mean {near[0]}?" if near else "unknown key"
    if kind in ("string_type", "string_pattern_mismatch", "string_too_short", "string_too_long"):
        return message[0].lower() + message[1:] + given
    if kind == "model_type":
        return f"should be a mapping of keys to values{given}"
    return message.removeprefix("Value error, ") + (given if "Value error" not in message else "")


def _known_keys(path: _Path) -> list[str]:
    """The keys of the section in which `path` stands."""
    section: Any = RepositoryConfig
    for part in path[:-1]:
        field = section.model_fields.get(part)
        section = field.annotation if field is not None else None
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return []
    return list(section.model_fields)
