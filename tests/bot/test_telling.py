"""The one progress comment of a request: found, remembered, and made again where it was deleted."""

from __future__ import annotations

from typing import Any

from bot.records import Job
from bot.telling import Telling

MARKED = "<!-- kernelwright:progress kw-0 -->\n"


def test_a_list_that_lags_behind_makes_no_second_comment(
    fake: Any, tools: Any, steps: Any, job: Job, monkeypatch: Any
) -> None:
    telling = Telling(steps=steps, tools=tools, job=job)
    telling.show(f"{MARKED}one", "open_progress")
    monkeypatch.setattr(fake, "comments", lambda _: [])
    telling.show(f"{MARKED}two", "show_run")
    assert fake.said(7) == f"{MARKED}two"


def test_another_process_finds_the_comment_by_its_marker(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    for word in ("one", "two"):
        Telling(steps=steps, tools=tools, job=job).show(f"{MARKED}{word}", "show_run")
    assert fake.said(7) == f"{MARKED}two"


def test_a_comment_that_somebody_deleted_is_made_again(
    fake: Any, tools: Any, steps: Any, job: Job
) -> None:
    telling = Telling(steps=steps, tools=tools, job=job)
    telling.show(f"{MARKED}one", "open_progress")
    fake.threads[7].clear()
    telling.show(f"{MARKED}two", "show_run")
    telling.show(f"{MARKED}three", "close_progress")
    assert fake.said(7) == f"{MARKED}three"
