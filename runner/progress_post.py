"""Posts live progress to the bot while a run lasts, from a thread of its own.

Owns when a post is made and what becomes of one that fails: nothing, but one line in the log. The
run neither waits for a post nor ends by one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from runner.job_token import JobToken
from runner.journal import Event
from runner.one_line import one_line
from runner.progress_tally import Tally
from runner.settings import ProgressSettings
from runner.small_http import check_address, exchange

INTERVAL_S = 10.0
_LONGEST_PAUSE_S = 300.0
_FAREWELL_S = 2.0
_REASON_CHARS = 200
_UNAUTHORIZED, _STALE, _TOO_MANY = 401, 409, 429


class ProgressPost:
    """A listener of the journal's events. `at_s` and `left_s` are asked when a post is made."""

    def __init__(
        self,
        settings: ProgressSettings,
        tally: Tally,
        *,
        at_s: Callable[[], float],
        left_s: Callable[[], float],
        log: TextIO,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._settings = settings
        self._tally = tally
        self._at_s = at_s
        self._left_s = left_s
        self._log = log
        self._interval_s = interval_s
        self._token = JobToken(settings)
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._closing = threading.Event()
        self._complained = False
        # A daemon: a post that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)
        self._news.set()  # that the run is being prepared is worth a word
        self._thread.start()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._tally.add(event)
        self._news.set()

    def recall(self, events: Iterable[Event]) -> None:
        """Count what an earlier start of the run did, too."""
        with self._lock:
            for event in events:
                self._tally.add(event)

    def close(self) -> None:
        """Post the last state, and wait for that, but not for long. Safe to call twice."""
        self._closing.set()
        self._news.set()
        self._thread.join(timeout=_FAREWELL_S)

    def _work(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            is_last = self._closing.is_set()
            wish_s = self._try_to_post()
            if is_last:
                return
            pause_s = max(self._interval_s, min(wish_s, _LONGEST_PAUSE_S))
            if self._closing.wait(pause_s) and wish_s:
                return  # the bot wishes to hear nothing: not even the last state

    def _try_to_post(self) -> float:
        """As `_post`; a failure is told once, and is over."""
        try:
            return self._post()
        except Exception as error:  # noqa: BLE001 - the edge: no fault in here is the run's
            self._complain(str(error) or type(error).__name__)
            return 0.0

    def _post(self) -> float:
        """Post where the run stands; for how many seconds the bot wishes to hear nothing."""
        with self._lock:
            document = self._tally.progress(self._at_s(), self._left_s())
        answer = exchange(
            self._settings.url, bearer=self._token(), body=document.model_dump_json().encode()
        )
        if answer.status == _UNAUTHORIZED:
            self._token.forget()
        if answer.status >= 300 and answer.status not in (_STALE, _TOO_MANY):
            said = answer.body.decode("utf-8", "replace")
            self._complain(f"the bot answered {answer.status} {said}")
        return answer.retry_after_s or 0.0

    def _complain(self, reason: str) -> None:
        if not self._complained:
            self._complained = True
            _say(self._log, one_line(reason, _REASON_CHARS))


@contextmanager
def posting(
    settings: ProgressSettings | None,
    request_id: str | None,
    at_s: Callable[[], float],
    left_s: Callable[[], float],
    log: TextIO,
) -> Iterator[ProgressPost | None]:
    """The poster of a run while this lasts; None where nobody asked, or it cannot work.

    Only a run that a request asked for has someone who waits for its progress.
    """
    if settings is None or request_id is None:
        yield None
        return
    fault = _fault(settings)
    if fault:
        _say(log, fault)
        yield None
        return
    post = ProgressPost(settings, Tally(request_id), at_s=at_s, left_s=left_s, log=log)
    try:
        yield post
    finally:
        post.close()


def _fault(settings: ProgressSettings) -> str:
    """Why nothing can be posted with these settings; empty where all is well."""
    if not (settings.token_request_url and settings.token_request_token):
        return "the job has no `id-token: write`, so it cannot say who it is"
    try:
        check_address(settings.url)
        check_address(settings.token_request_url)
    except ValueError as error:
        return f"KERNELWRIGHT_PROGRESS_URL, or the address for tokens: {error}"
    return ""


def _say(log: TextIO, reason: str) -> None:
    print(f"no live progress, and the run goes on without: {reason}", file=log, flush=True)
