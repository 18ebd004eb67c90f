"""What the progress comment shows of a run, and how often it is edited."""

from __future__ import annotations

from typing import Any

import pytest

from bot.messages.progress import RunView, duration, progress_ended, progress_of_run
from bot.progress_watch import REFRESH_S, ProgressWatch
from bot.records import Dispatched, Job, Queue, RunNews, RunState
from runner.contract import Budget
from runner.run_progress import BestSoFar, RunProgress

URL = "https://github.example/octo/kernels/actions/runs/1"
BEGAN_S = 1_000_000.0
PACE_S = 20.0


@pytest.fixture
def watch() -> ProgressWatch:
    run = Dispatched(run_id=1, run_url=URL, at_s=BEGAN_S)
    return ProgressWatch(run=run, budget=Budget(wall_clock_s=900), pace_s=PACE_S)


def state(after_s: float, status: str = "in_progress", attempt: int = 1) -> RunState:
    return RunState(status=status, conclusion=None, attempt=attempt, at_s=BEGAN_S + after_s)


def said(at_s: float, attempt: int = 1, **changes: Any) -> RunNews:
    fields: dict[str, Any] = {
        "request_id": "kw-0123456789abcdef", "at_s": at_s, "phase": "searching",
        "attempts": int(at_s), "passed": 0, "left_s": 900 - at_s, **changes,
    }  # fmt: skip
    return RunNews(attempt=attempt, progress=RunProgress(**fields))


def attempts(view: RunView | None) -> int:
    assert view is not None
    assert view.said is not None
    return view.said.attempts


def test_a_queued_run_is_shown_at_once_and_then_when_it_moves_up(watch: ProgressWatch) -> None:
    edits = []
    for after_s, ahead in [(0, 3), (60, 3), (120, 2), (130, 1), (150, 1), (160, 0)]:
        watch.look(state(after_s, "queued"), Queue(ahead=ahead), [])
        view = watch.due()
        edits.append(view and (view.stage, view.ahead))
    # 130 is too soon after 120, and is made up for at 150.
    assert edits == [("queued", 3), None, ("queued", 2), None, ("queued", 1), None]


def test_the_beginning_of_the_run_waits_for_no_pace(watch: ProgressWatch) -> None:
    watch.look(state(0, "queued"), Queue(ahead=0), [])
    assert watch.due()
    watch.look(state(1), None, [])
    view = watch.due()
    assert view is not None
    assert (view.stage, view.elapsed_s) == ("running", 0.0)


def test_a_flood_of_news_is_one_edit_a_pace(watch: ProgressWatch) -> None:
    edits = 0
    for second in range(1, 601):
        watch.look(state(second), None, [said(second)])
        edits += watch.due() is not None
    assert edits == 600 / PACE_S


def test_the_newest_wins_whatever_the_order_of_arrival(watch: ProgressWatch) -> None:
    watch.look(state(1), None, [said(30), said(50), said(40)])
    assert attempts(watch.due()) == 50
    watch.look(state(100), None, [said(10)])
    assert watch.due() is None


def test_time_alone_is_worth_an_edit_only_now_and_then(watch: ProgressWatch) -> None:
    watch.look(state(0), None, [said(5)])
    assert watch.due()
    watch.look(state(REFRESH_S - 1), None, [said(6, attempts=5)])
    assert watch.due() is None
    watch.look(state(REFRESH_S), None, [])
    view = watch.due()
    assert view is not None
    assert view.elapsed_s == REFRESH_S


def test_a_run_that_is_started_again_begins_again(watch: ProgressWatch) -> None:
    watch.look(state(10), None, [said(500)])
    assert attempts(watch.due()) == 500
    watch.look(state(700, attempt=2), None, [])
    view = watch.due()
    assert view is not None
    assert (view.said, view.elapsed_s) == (None, 0.0)
    watch.look(state(800, attempt=2), None, [said(600), said(3, attempt=2)])
    assert attempts(watch.due()) == 3


def test_a_queued_run_has_nothing_to_say(watch: ProgressWatch) -> None:
    watch.look(state(10), None, [said(5)])
    watch.look(state(20, "queued"), Queue(ahead=None), [])
    view = watch.due()
    assert view is not None
    assert (view.stage, view.said) == ("queued", None)


def test_a_run_that_is_being_stopped_is_shown_so_at_once(watch: ProgressWatch, job: Job) -> None:
    watch.look(state(10), None, [said(5)])
    assert watch.due()
    watch.cancelling = True
    watch.look(state(11), None, [])
    view = watch.due()
    assert view is not None
    assert f"[run]({URL}) stopping, with the best kernel so far" in progress_of_run(job, view)


def test_a_running_run_is_looked_at_at_the_pace_of_the_edits(watch: ProgressWatch) -> None:
    watch.look(state(0, "queued"), None, [])
    assert watch.wait_s(60.0) == 60.0
    watch.look(state(1), None, [])
    assert (watch.wait_s(60.0), watch.wait_s(5.0)) == (PACE_S, 5.0)


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        (None, "budget 15 min, for 2 min"),
        (0, "budget 15 min, next in the queue, for 2 min"),
        (1, "budget 15 min, 1 run before this one, for 2 min"),
        (7, "budget 15 min, 7 runs before this one, for 2 min"),
    ],
)
def test_the_comment_says_the_place_in_the_queue(job: Job, ahead: int | None, text: str) -> None:
    view = RunView(stage="queued", run_url=URL, budget_s=900, elapsed_s=120, ahead=ahead)
    assert f"- ⏳ [run]({URL}) waiting for the GPU machine, {text}" in progress_of_run(job, view)


def test_the_comment_says_what_the_run_says(job: Job) -> None:
    best = BestSoFar(
        attempt=4, ratio=1.4142, ratio_low=1.401, ratio_high=1.43, baseline="torch.compile"
    )
    news = said(7, passed=3, last_status="INCORRECT_NUMERICAL", left_s=480.0, best=best).progress
    view = RunView(stage="running", run_url=URL, budget_s=900, elapsed_s=425, said=news)

    assert progress_of_run(job, view).splitlines()[3:8] == [
        "- ✅ received from `mona`",
        "- ✅ permission and spec checked",
        f"- ⏳ [run]({URL}) running, budget 15 min, for 7 min",
        "- ⏳ searching · 8 min left · 7 attempts, 3 passed · the last: INCORRECT_NUMERICAL",
        "- ⏳ best so far: attempt 4, at its weakest 1.41 times as fast as `torch.compile` "
        "[1.4, 1.43] (provisional)",
    ]


def test_without_a_gpu_the_best_is_not_measured(job: Job) -> None:
    news = said(7, best=BestSoFar(attempt=2)).progress
    view = RunView(stage="running", run_url=URL, budget_s=900, said=news)
    assert "best so far: attempt 2, not measured: no GPU" in progress_of_run(job, view)


@pytest.mark.parametrize(
    "name", ["`@octo/team`", "x\n- ✅ merged", "</sub><img src=x>", "<!-- -->", "#1 [a](http://b)"]
)
def test_a_baseline_of_any_name_stays_inside_its_code(job: Job, name: str) -> None:
    best = BestSoFar(attempt=1, ratio=2.0, ratio_low=1.9, ratio_high=2.1, baseline=name)
    view = RunView(stage="running", run_url=URL, budget_s=900, said=said(1, best=best).progress)
    rows = [row for row in progress_of_run(job, view).splitlines() if row.startswith("- ")]

    assert len(rows) == 5
    inside = rows[4].split("times as fast as ", 1)[1].rsplit(" [1.9", 1)[0]
    mark = inside[: len(inside) - len(inside.lstrip("`"))]
    assert mark
    assert inside.endswith(mark)
    assert mark not in inside[len(mark) : -len(mark)]


def test_the_end_says_how_long_it_took(job: Job) -> None:
    body = progress_ended(job, good=True, summary="done", run_url=URL, took_s=1000.0)
    assert f"[run]({URL}) ended, 16 min after it was started" in body
    assert "⏳" not in body


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "less than a minute"), (59.9, "less than a minute"), (60, "1 min"), (3599, "59 min"),
     (3600, "1 h"), (3725, "1 h 2 min"), (93_600, "26 h")],
)  # fmt: skip
def test_times_are_said_to_the_minute(seconds: float, text: str) -> None:
    assert duration(seconds) == text
