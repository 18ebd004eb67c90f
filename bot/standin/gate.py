"""The way of every API request: route, check, authenticate, act, check the answer.

Owns the order of these, the headers that all answers carry, and the record of what was asked and
of what GitHub's description says against it. Knows no single route.
"""

from __future__ import annotations

import email.utils
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.standin import description
from bot.standin.api import ROUTES
from bot.standin.api.call import ApiError, Call, Reply
from bot.standin.auth import Unauthorized
from bot.standin.description import Operation
from bot.standin.git_types import GitFailed
from bot.standin.hub import Hub
from bot.standin.late_lists import LateLists
from bot.standin.moves import current_path

_RATE_LIMIT = 5_000
_RATE_WINDOW_S = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as it arrived. `path` is still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One request in the record: who asked what, and the status of the answer."""

    method: str
    template: str  # the path itself where no route matched
    path: str
    login: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What GitHub's description says against a request (`request`) or an answer of ours."""

    method: str
    path: str
    faults: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {'; '.join(self.faults)}"


class Gate:
    """Answers requests. `violations` are the callers' faults, `advisories` the stand-in's own."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._description = description.load()
        self._request_ids = itertools.count(1)
        self._late = LateLists()
        self.answered: list[Answered] = []
        self.violations: list[Violation] = []
        self.advisories: list[Violation] = []

    def answer(self, incoming: Incoming) -> Reply:
        """The answer to one API request; never raises for a request's own fault."""
        path = current_path(self._hub.state, incoming.path)
        incoming = replace(incoming, path=path)
        operation = self._description.find(incoming.method, path)
        login = ""
        try:
            login, reply = self._act(incoming, operation)
        except ApiError as error:
            reply = _refusal(error.status, error.message, error.headers)
        except Unauthorized as error:
            reply = _refusal(401, str(error))
        except GitFailed as error:
            reply = _refusal(422, error.message)
        template = operation.template if operation else incoming.path
        self.answered.append(
            Answered(
                method=incoming.method,
                template=template,
                path=incoming.path,
                login=login,
                status=reply.status,
            )
        )
        return self._with_headers(reply)

    def _act(self, incoming: Incoming, operation: Operation | None) -> tuple[str, Reply]:
        if operation is None:
            self._violated(incoming, ("not an endpoint that is in use",))
            raise ApiError(404, "Not Found")
        name = f"{operation.method} {operation.template}"
        fault = self._hub.faults.take("answer", name)
        if fault:
            raise ApiError(fault.value.status, fault.value.message, fault.value.headers)
        content_type = incoming.headers.get("content-type", "application/json").split(";")[0]
        faults = self._description.request_faults(
            operation, incoming.query, incoming.body, content_type
        )
        if faults:
            self._violated(incoming, tuple(faults))
            raise ApiError(422, f"Validation Failed: {'; '.join(faults)}")
        with self._hub.state.lock:
            actor = self._hub.authority.actor(incoming.headers.get("authorization"))
            call = Call(
                hub=self._hub,
                actor=actor,
                operation=operation,
                path=incoming.path,
                query=incoming.query,
                body=_json(incoming.body),
            )
            reply = ROUTES[operation.method, operation.template](call)
        if self._hub.faults.take("land", name):
            raise ApiError(502, "Server Error")
        reply = self._late.show(operation.method, reply, self._hub.faults.list_delay_s)
        advice = self._description.response_faults(operation, reply.status, reply.body)
        if advice:
            self.advisories.append(
                Violation(method=incoming.method, path=incoming.path, faults=tuple(advice))
            )
        return actor.account.login, reply

    def _violated(self, incoming: Incoming, faults: tuple[str, ...]) -> None:
        self.violations.append(Violation(method=incoming.method, path=incoming.path, faults=faults))

    def _with_headers(self, reply: Reply) -> Reply:
        used = next(self._request_ids)
        now = self._hub.state.clock()
        reset_s = int(now.timestamp()) + _RATE_WINDOW_S
        headers = {
            "Date": email.utils.format_datetime(now, usegmt=True),
            "X-GitHub-Request-Id": f"STANDIN:{used:06X}",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-RateLimit-Limit": str(_RATE_LIMIT),
            "X-RateLimit-Remaining": str(max(_RATE_LIMIT - used, 1)),
            "X-RateLimit-Used": str(used),
            "X-RateLimit-Reset": str(reset_s),
            "X-RateLimit-Resource": "core",
            **reply.headers,
        }
        return Reply(status=reply.status, data=reply.data, headers=headers)


def _json(body: bytes) -> Any:
    return json.loads(body) if body else None


def _refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    data = {"message": message, "documentation_url": "https://docs.github.com/rest"}
    return Reply(status=status, data=data, headers=headers or {})
