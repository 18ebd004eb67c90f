"""GitHub's own OpenAPI description, as the judge of every request and response.

Owns which operation a method and a path mean, and what the description says against a request or a
response. Refuses nothing itself: the callers decide what a fault leads to.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

DESCRIPTION_FILE = Path(__file__).with_name("github_openapi.json")
_METHODS = ("get", "post", "patch", "put", "delete")
# OpenAPI 3.0 has no parameter that spans several path segments; GitHub's routes do.
_MULTI_SEGMENT = frozenset({"ref", "path"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path template, with the parameters taken from a concrete path."""

    method: str  # upper case
    template: str
    params: Mapping[str, str]

    @property
    def concrete_path(self) -> str:
        """The path with every parameter as one segment: what openapi-core can match."""
        path = self.template
        for name, value in self.params.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return path


class _Request:
    """The shape in which openapi-core takes a request."""

    host_url = "http://localhost"

    def __init__(self, operation: Operation, query: str, body: bytes, content_type: str) -> None:
        self.method = operation.method.lower()
        self.path = operation.concrete_path
        self.body = body or None
        self.content_type = content_type
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)), header=Headers()
        )


class _Response:
    """The shape in which openapi-core takes a response."""

    def __init__(self, status: int, data: bytes) -> None:
        self.status_code = status
        self.data = data
        self.content_type = "application/json"
        self.headers = Headers()


class Description:
    """The description, parsed once: `load()` shares one in a process."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._openapi = OpenAPI.from_dict(document)
        self.operations = frozenset(
            (method.upper(), path)
            for path, item in document["paths"].items()
            for method in item
            if method in _METHODS
        )
        # Fewer parameters first: the more concrete template wins.
        templates = sorted({path for _, path in self.operations}, key=lambda t: (t.count("{"), t))
        self._patterns = [(_pattern(template), template) for template in templates]

    def find(self, method: str, raw_path: str) -> Operation | None:
        """The operation that `method` and the percent-encoded `raw_path` mean; None: not in use."""
        for pattern, template in self._patterns:
            match = pattern.fullmatch(raw_path)
            if match and (method.upper(), template) in self.operations:
                params = {name: unquote(value) for name, value in match.groupdict().items()}
                return Operation(method=method.upper(), template=template, params=params)
        return None

    def request_faults(
        self, operation: Operation, query: str, body: bytes, content_type: str
    ) -> list[str]:
        """What the description says against the request; empty when nothing."""
        request = _Request(operation, query, body, content_type)
        return [_reason(error) for error in self._openapi.iter_request_errors(request)]

    def response_faults(self, operation: Operation, status: int, body: bytes) -> list[str]:
        """What the description says against the response; empty when nothing.

        Only JSON is judged: redirects and empty answers have no schema.
        """
        if not body or status >= 300:
            return []
        request = _Request(operation, "", b"", "application/json")
        errors = self._openapi.iter_response_errors(request, _Response(status, body))
        return [_reason(error) for error in errors]


def _pattern(template: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        name = match[1]
        return f"(?P<{name}>.+)" if name in _MULTI_SEGMENT else f"(?P<{name}>[^/]+)"

    return re.compile(re.sub(r"{(\w+)}", group, template))


def _reason(error: BaseException) -> str:
    """One line: the outer error, and the schema's own complaints where there are any."""
    cause: BaseException | None = error
    while cause is not None:
        complaints = getattr(cause, "schema_errors", None)
        if complaints:
            parts = [
                f"{'/'.join(map(str, fault.absolute_path)) or 'body'}: {fault.message[-300:]}"
                for fault in complaints
            ]
            # Not str(error): that repeats the whole offending value.
            return f"{type(error).__name__}: {'; '.join(parts)}"
        cause = cause.__cause__
    return f"{error}: {error.__cause__}" if error.__cause__ else str(error)


@functools.cache
def load() -> Description:
    """The description kept beside this module; parsed at the first call."""
    return Description(json.loads(DESCRIPTION_FILE.read_text(encoding="utf-8")))
