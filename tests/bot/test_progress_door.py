"""Posts of live progress: who may say what, how often, and in which order."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from bot.errors import KeysUnavailable
from bot.oidc import JobTokens
from bot.progress import ProgressDoor, Reply, RunOf
from bot.records import Dispatched, RunNews

REQUEST_ID = "kw-0123456789abcdef"
OTHER_ID = "kw-ffffffffffffffff"


def document(at_s: float = 1.0, **changes: Any) -> bytes:
    return json.dumps(
        {
            "request_id": REQUEST_ID,
            "at_s": at_s,
            "phase": "searching",
            "attempts": 3,
            "passed": 1,
            "last_status": "COMPILE_ERROR",
            "left_s": 600.0,
            **changes,
        }
    ).encode()


@dataclass
class Kept:
    """The requests of the service, and what their workflows were told."""

    known: dict[str, RunOf]
    told: list[tuple[str, RunNews]] = field(default_factory=list)
    asked: int = 0
    fault: Exception | None = None

    def run_of(self, request_id: str) -> RunOf:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return self.known.get(request_id, RunOf())

    def pass_on(self, request_id: str, news: RunNews) -> None:
        self.told.append((request_id, news))


@dataclass
class Door:
    """The door, knocked at from outside."""

    door: ProgressDoor
    oidc: ModuleType
    now_s: list[float]

    def post(self, body: bytes | None = None, *, token: str | None = None, **claims: Any) -> Reply:
        token = self.oidc.signed(**claims) if token is None else token
        body = document() if body is None else body
        return asyncio.run(self.door.answer(f"Bearer {token}", body))


@pytest.fixture
def run(oidc: ModuleType) -> Dispatched:
    return Dispatched(
        run_id=oidc.RUN_ID, run_url="https://github.example/run", at_s=0.0, attempt=1,
        repository_id=oidc.REPOSITORY_ID, workflow_ref=oidc.WORKFLOW_REF,
    )  # fmt: skip


@pytest.fixture
def kept(run: Dispatched) -> Kept:
    return Kept(known={REQUEST_ID: RunOf(repository="octo/kernels", run=run)})


@pytest.fixture
def keys(oidc: ModuleType) -> Any:
    return oidc.Keys()


@pytest.fixture
def door(oidc: ModuleType, kept: Kept, keys: Any) -> Door:
    now_s = [1000.0]
    tokens = JobTokens(issuer=oidc.ISSUER, audience=oidc.AUDIENCE, fetch=keys)
    made = ProgressDoor(tokens=tokens, runs=kept, now_s=lambda: now_s[0])
    return Door(door=made, oidc=oidc, now_s=now_s)


def test_the_jobs_own_progress_is_kept(door: Door, kept: Kept) -> None:
    assert door.post().status == 202

    ((request_id, heard),) = kept.told
    assert request_id == REQUEST_ID
    assert (heard.attempt, heard.progress.attempts, heard.progress.at_s) == (1, 3, 1.0)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic eDp5", "token abc"])
def test_without_a_bearer_token_nothing_is_taken(door: Door, kept: Kept, header: Any) -> None:
    reply = asyncio.run(door.door.answer(header, document()))

    assert reply.status == 401
    assert kept.asked == 0


@pytest.mark.parametrize(
    "claims", [{"aud": "other"}, {"exp": 1}, {"nbf": 1 << 40}, {"iss": "x"}, {"key": "two"}]
)
def test_a_token_that_proves_nothing_is_refused(door: Door, kept: Kept, claims: Any) -> None:
    assert door.post(**claims).status == 401
    assert (kept.asked, kept.told) == (0, [])


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"repository_id": "7", "repository": "octo/kernels"}, "another repository"),
        # Somebody else's repository of the same shape, with a run of the same number.
        (
            {
                "repository": "eve/kernels",
                "repository_id": "666",
                "workflow_ref": "eve/kernels/.github/workflows/generate.yml@refs/heads/main",
            },
            "another repository",
        ),
        (
            {"workflow_ref": "octo/kernels/.github/workflows/ci.yml@refs/heads/main"},
            "another workflow",
        ),
        (
            {"workflow_ref": "octo/kernels/.github/workflows/generate.yml@refs/heads/evil"},
            "another workflow",
        ),
        (
            {"workflow_ref": "octo/kernels/.github/workflows/generate.yml@refs/pull/9/merge"},
            "another workflow",
        ),
        (
            {"workflow_ref": "eve/kernels/.github/workflows/generate.yml@refs/heads/main"},
            "another workflow",
        ),
        ({"event_name": "pull_request"}, "another event"),
        ({"event_name": "push"}, "another event"),
        ({"run_id": "4100000778"}, "another run"),
    ],
)
def test_another_job_cannot_speak_for_the_request(
    door: Door, kept: Kept, claims: Any, says: str
) -> None:
    reply = door.post(**claims)

    assert (reply.status, reply.error) == (403, f"the token is of {says}")
    assert kept.told == []


def test_a_repository_that_was_renamed_is_known_by_its_id(door: Door) -> None:
    ref = "octo/renamed/.github/workflows/generate.yml@refs/heads/main"
    assert door.post(repository="octo/renamed", workflow_ref=ref).status == 202


@pytest.mark.parametrize(("name", "status"), [("Octo/Kernels", 202), ("eve/kernels", 403)])
def test_the_name_counts_where_no_id_is_known(
    door: Door, kept: Kept, run: Dispatched, name: str, status: int
) -> None:
    nameless = run.model_copy(update={"repository_id": None})
    kept.known[REQUEST_ID] = RunOf(repository="octo/kernels", run=nameless)
    ref = f"{name}/.github/workflows/generate.yml@refs/heads/main"
    assert door.post(repository=name, workflow_ref=ref).status == status


def test_a_repository_named_dot_github_is_no_exception(door: Door, kept: Kept) -> None:
    name = "octo/.github"
    ref = f"{name}/.github/workflows/generate.yml@refs/heads/main"
    assert door.post(repository=name, workflow_ref=ref).status == 202


def test_a_run_that_is_started_again_speaks_on_and_its_first_attempt_does_not(
    door: Door, kept: Kept, run: Dispatched
) -> None:
    assert door.post(document(at_s=500.0)).status == 202
    assert door.post(document(at_s=1.0), run_attempt="2").status == 202
    assert door.post(document(at_s=900.0), run_attempt="1").status == 409
    kept.known[REQUEST_ID] = RunOf(
        repository="octo/kernels", run=run.model_copy(update={"attempt": 3})
    )
    assert door.post(document(at_s=2.0), run_attempt="2").status == 403


def test_a_request_that_nobody_knows_is_not_found(door: Door) -> None:
    assert door.post(document(request_id=OTHER_ID)).status == 404


def test_a_request_without_a_run_yet_is_not_found(door: Door, kept: Kept) -> None:
    kept.known[REQUEST_ID] = RunOf(repository="octo/kernels")
    assert door.post().status == 404


def test_a_request_that_has_ended_hears_no_more(door: Door, kept: Kept) -> None:
    kept.known[REQUEST_ID] = RunOf(ended=True)
    assert door.post().status == 409


def test_a_job_cannot_speak_for_another_request(door: Door, kept: Kept, run: Dispatched) -> None:
    theirs = run.model_copy(update={"run_id": run.run_id + 1})
    kept.known[OTHER_ID] = RunOf(repository="octo/kernels", run=theirs)
    assert door.post(document(request_id=OTHER_ID)).status == 403


def test_an_old_event_is_not_taken_again(door: Door, kept: Kept) -> None:
    assert door.post(document(at_s=10.0)).status == 202
    assert door.post(document(at_s=10.0)).status == 409
    assert door.post(document(at_s=9.0)).status == 409
    assert door.post(document(at_s=10.5)).status == 202
    assert [heard.progress.at_s for _, heard in kept.told] == [10.0, 10.5]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b'{"request_id"',
        b"[" * 4000,
        document(surprise=1),
        document(request_id="kw-0"),
        document(request_id=["kw-0123456789abcdef"]),
        document(at_s="1"),
        document(at_s=-1),
        document(at_s=1e300),
        document(at_s=float("nan")),
        document(phase="dreaming"),
        document(attempts=-1),
        document(attempts=2.5),
        document(attempts=True),
        document(attempts=10**30),
        document(passed=4),
        document(last_status="SPLENDID"),
        document(left_s=float("inf")),
        document(best={"attempt": 1, "ratio": 2.0}),
        document(
            best={"attempt": 1, "ratio": -1, "ratio_low": 1, "ratio_high": 2, "baseline": "b"}
        ),
        document(best={"attempt": 1, "note": "x"}),
        document(schema_version=2),
    ],
)
def test_what_is_not_in_the_contract_is_refused(door: Door, kept: Kept, body: bytes) -> None:
    assert door.post(body).status == 422
    assert (kept.asked, kept.told) == (0, [])


def test_a_refusal_quotes_nothing_of_what_was_sent(door: Door) -> None:
    reply = door.post(document(surprise="<script>"))
    assert "<script>" not in reply.error
    assert "surprise" in reply.error


def test_a_flood_is_stopped_before_the_database_and_ends_by_itself(door: Door, kept: Kept) -> None:
    statuses = [door.post(document(at_s=n)).status for n in range(50)]

    assert statuses == [202] * 6 + [429] * 44
    assert kept.asked == 6
    door.now_s[0] += 10.0
    assert door.post(document(at_s=100.0)).status == 202


def test_a_flood_of_wrong_posts_is_stopped_too(door: Door, kept: Kept) -> None:
    statuses = {door.post(document(request_id=OTHER_ID)).status for _ in range(50)}
    assert statuses == {404, 429}
    assert kept.asked == 6


def test_a_run_is_not_held_up_by_the_flood_of_another(door: Door) -> None:
    for _ in range(50):
        door.post(run_id="99", repository_id="666")
    assert door.post().status == 202


def test_a_post_that_is_stopped_says_when_to_come_again(door: Door) -> None:
    replies = [door.post(document(at_s=n)) for n in range(7)]
    assert (replies[-1].status, replies[-1].retry_after_s) == (429, 5)


def test_what_is_remembered_of_runs_is_bounded(door: Door, monkeypatch: Any) -> None:
    monkeypatch.setattr("bot.progress._MAX_SEATS", 3)
    for number in range(1, 9):
        door.post(run_id=str(number))
    assert len(door.door._seats) == 3
    assert list(door.door._seats) == [6, 7, 8]


def test_keys_that_cannot_be_had_are_no_fault_of_the_job(door: Door, keys: Any) -> None:
    keys.fault = KeysUnavailable("down")
    reply = door.post()
    assert (reply.status, reply.retry_after_s) == (503, 60)


def test_a_database_that_is_down_is_no_internal_error(door: Door, kept: Kept) -> None:
    kept.fault = RuntimeError("database is locked")
    reply = door.post()
    assert reply.status == 503
    assert "locked" not in reply.error


def test_the_same_post_is_taken_after_the_database_is_back(door: Door, kept: Kept) -> None:
    kept.fault = RuntimeError("down")
    door.post()
    kept.fault = None
    assert door.post().status == 202
