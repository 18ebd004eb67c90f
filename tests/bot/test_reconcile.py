"""The search for what got lost: which deliveries, labels and runs it acts on, and which not."""

from __future__ import annotations

from typing import Any

import pytest

from bot.github_api import HookDelivery, Labelling
from bot.reconcile import MAX_TRIES, Search, failed, unanswered
from bot.records import Delivery, Ended, Job, Request, Start
from bot.workflow import generation

LABEL = "kernel-request"


class Known:
    """A service's memory: requests by issue, and what it was given."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.accepted: list[Delivery] = []
        self.told_s: list[float] = []  # when a label was told of

    def request(self, request_id: str) -> Request | None:
        return next((r for r in self.requests if r.job.request_id == request_id), None)

    def latest(self, repository: str, issue_number: int) -> Request | None:
        return next((r for r in reversed(self.requests)), None)

    def was_told(self, repository: str, start: Start, since_s: float) -> bool:
        return any(told_s >= since_s for told_s in self.told_s)

    def accept(self, delivery: Delivery) -> None:
        self.accepted.append(delivery)


@pytest.fixture
def known() -> Known:
    return Known()


def search(steps: Any, tools: Any, known: Known) -> None:
    Search(steps=steps, tools=tools, known=known).run()


def labelling(at_s: float, label: str = LABEL, event_id: int = 1) -> Labelling:
    return Labelling(event_id=event_id, label=label, actor="mona", at_s=at_s)


def tries(guid: str, *statuses: int) -> list[HookDelivery]:
    """Newest first, as GitHub lists them."""
    rows = [
        HookDelivery(id=100 * int(guid) + n, guid=guid, at_s=float(n), status=status)
        for n, status in enumerate(statuses)
    ]
    return rows[::-1]


@pytest.mark.parametrize(
    ("statuses", "again"),
    [((502,), [100]), ((0,), [100]), ((502, 502), [101]), ((202,), []), ((502, 202), []),
     ((502,) * MAX_TRIES, [])],
    ids=["down", "no answer", "down twice", "fine", "mended", "hopeless"],
)  # fmt: skip
def test_a_failed_delivery_is_sent_again_while_there_is_hope(
    statuses: tuple[int, ...], again: list[int]
) -> None:
    assert [one.id for one in failed(tries("1", *statuses))] == again


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([], None), (["bug"], None), ([LABEL], 0), ([LABEL, f"{LABEL}:running"], None),
     ([LABEL, f"{LABEL}:running", f"{LABEL}:failed", LABEL], 3), ([LABEL, "bug"], 0)],
)  # fmt: skip
def test_a_label_is_unanswered_until_a_label_of_ours_follows(
    labels: list[str], expected: int | None
) -> None:
    rows = [labelling(float(n), label, event_id=n) for n, label in enumerate(labels)]
    found = unanswered(rows, LABEL)
    assert (found.event_id if found else None) == expected


def test_a_missed_label_is_taken_up_by_its_event(
    fake: Any, tools: Any, steps: Any, known: Known, issue_body: Any
) -> None:
    fake.open_issue(7, issue_body(), (LABEL,))
    fake.labelled[7] = [labelling(tools.now_s() - 300, event_id=42)]
    search(steps, tools, known)
    (delivery,) = known.accepted
    assert delivery.delivery_id == "missed-42"
    assert (delivery.repository, delivery.decision.sender) == ("octo/kernels", "mona")


@pytest.mark.parametrize("age_s", [5.0, 4 * 24 * 3600.0], ids=["on its way", "long ago"])
def test_a_label_that_is_too_young_or_too_old_is_left_alone(
    fake: Any, tools: Any, steps: Any, known: Known, issue_body: Any, age_s: float
) -> None:
    fake.open_issue(7, issue_body(), (LABEL,))
    fake.labelled[7] = [labelling(tools.now_s() - age_s)]
    search(steps, tools, known)
    assert known.accepted == []


@pytest.mark.parametrize(
    ("opened_before_s", "has_ended", "is_missed"),
    [(100.0, False, False), (100.0, True, False), (900.0, True, True), (900.0, False, False)],
    ids=["under way", "answered since", "ended before", "still under way"],
)
def test_a_label_with_a_record_is_not_missed(
    fake: Any, tools: Any, steps: Any, known: Known, job: Job, issue_body: Any,
    opened_before_s: float, has_ended: bool, is_missed: bool,
) -> None:  # fmt: skip
    fake.open_issue(7, issue_body(), (LABEL,))
    now_s = tools.now_s()
    fake.labelled[7] = [labelling(now_s - 300)]
    ended = Ended(end="failed", text="", summary="") if has_ended else None
    known.requests.append(Request(job=job, opened_s=now_s - opened_before_s, ended=ended))
    search(steps, tools, known)
    assert bool(known.accepted) is is_missed


@pytest.mark.parametrize(
    ("told_ago_s", "is_missed"),
    [(299.0, False), (300.5, False), (600.0, True)],
    ids=["told", "within GitHub's second", "of an earlier label"],
)
def test_a_label_that_was_refused_is_not_told_so_again(
    fake: Any, tools: Any, steps: Any, known: Known, issue_body: Any, told_ago_s: float,
    is_missed: bool,
) -> None:  # fmt: skip
    fake.open_issue(7, issue_body(), (LABEL,))
    fake.labelled[7] = [labelling(tools.now_s() - 300)]
    known.told_s.append(tools.now_s() - told_ago_s)
    search(steps, tools, known)
    assert bool(known.accepted) is is_missed


@pytest.mark.parametrize(
    ("tried_ago_s", "is_missed"), [((299.0, 5.0), False), ((100.0,), True)],
    ids=["of the label", "of something later"],
)  # fmt: skip
def test_a_label_whose_delivery_is_sent_again_is_left_to_it(
    fake: Any, tools: Any, steps: Any, known: Known, issue_body: Any,
    tried_ago_s: tuple[float, ...], is_missed: bool,
) -> None:  # fmt: skip
    fake.open_issue(7, issue_body(), (LABEL,))
    fake.labelled[7] = [labelling(tools.now_s() - 300)]
    fake.hook_tries = [
        HookDelivery(id=n, guid="g", at_s=tools.now_s() - ago_s, status=502)
        for n, ago_s in enumerate(tried_ago_s)
    ]
    search(steps, tools, known)
    assert fake.redelivered == [len(tried_ago_s) - 1]
    assert bool(known.accepted) is is_missed


@pytest.mark.parametrize(("has_ended", "count"), [(True, 1), (False, 0)])
def test_a_run_whose_request_has_ended_is_cancelled(
    fake: Any, tools: Any, steps: Any, known: Known, job: Job, has_ended: bool, count: int
) -> None:
    generation(steps, tools, job)
    (run,) = fake.runs.values()
    run.states[:] = [("in_progress", None)]
    ended = Ended(end="failed", text="", summary="") if has_ended else None
    known.requests.append(Request(job=job, opened_s=0.0, ended=ended))
    search(steps, tools, known)
    assert len(fake.cancelled) == count


def test_a_run_that_nobody_knows_is_left_alone(
    fake: Any, tools: Any, steps: Any, known: Known, job: Job
) -> None:
    generation(steps, tools, job)
    (run,) = fake.runs.values()
    run.states[:] = [("in_progress", None)]
    search(steps, tools, known)
    assert fake.cancelled == []


def test_a_repository_that_cannot_be_read_is_logged(
    fake: Any, tools: Any, steps: Any, known: Known, caplog: Any
) -> None:
    from bot.errors import GitHubError

    fake.hook_tries = tries("1", 502)[:1]
    fake.hook_tries = [HookDelivery(id=7, guid="g", at_s=tools.now_s(), status=502)]

    def refuse(name: str) -> None:
        if name == "open_issues":
            raise GitHubError(403, "suspended")

    fake.before_call = refuse
    search(steps, tools, known)
    assert fake.redelivered == [7]
    assert "octo/kernels cannot be searched" in caplog.text
