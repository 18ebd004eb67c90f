"""Newer words about a kernel, while a run for older ones is under way.

Owns the rule: a review within the window joins the round that gathers; anything else stops the
older round, which is told, and takes its words along. Who may not ask does not come this far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.desk import Desk
from bot.messages import comments as say
from bot.records import Note, Regenerate, Request, Silenced, Voice

# Beyond the window: the round that gathers may have to wait for GitHub first.
_ANSWER_S = 60.0
_LOOK_FIRST_S, _LOOK_LAST_S = 1.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What came of asking: closed (nothing is to be started), or free with words to take along."""

    is_closed: bool = False
    voices: tuple[Voice, ...] = ()


def make_way(
    desk: Desk, cause: Regenerate, active: str, before: Way, may_start: Callable[[], None]
) -> Way:
    """Join the active request or stop it, and wait for its end.

    `may_start` raises UserError where nothing could be started in its place: it is then let be.
    """
    if _join(desk, cause, active):
        return Way(is_closed=True)
    desk.steps.do("check_caps", may_start)
    key = f"{desk.delivery.delivery_id}-supersede-{active}"
    desk.requests.tell(active, Note(kind="supersede", by=cause.sender), key)
    desk.reply(say.superseding(active))
    if not _await_end(desk, active):
        desk.reply(say.busy(active))
        return Way(is_closed=True)
    silenced = desk.steps.run("hear_silenced", lambda: _silenced(desk, active), Silenced)
    return Way(voices=(*before.voices, *silenced.voices))


def _join(desk: Desk, cause: Regenerate, active: str) -> bool:
    """True where the active round answers this review too."""
    window_s = desk.tools.review_window_s
    if cause.review_id is None or window_s <= 0:
        return False
    voice = cause.voices[0]
    key = f"{desk.delivery.delivery_id}-join-{active}"
    desk.requests.tell(active, Note(kind="join", by=cause.sender, voice=voice), key)
    return cause.review_id in desk.requests.gathered(active, window_s + _ANSWER_S)


def _await_end(desk: Desk, active: str) -> bool:
    waited_s, pause_s = 0.0, _LOOK_FIRST_S
    while not desk.steps.run("look_at_older", lambda: _has_ended(desk, active), bool):
        if waited_s >= desk.tools.supersede_patience_s:
            return False
        pause_s = min(pause_s, _LOOK_LAST_S)
        desk.steps.pause(pause_s)
        waited_s += pause_s
        pause_s *= 2
    return True


def _has_ended(desk: Desk, active: str) -> bool:
    request = _older(desk, active)
    return request is None or request.ended is not None


def _older(desk: Desk, active: str) -> Request | None:
    return desk.requests.request(active)


def _silenced(desk: Desk, active: str) -> Silenced:
    request = _older(desk, active)
    if request is None or request.ended is None or request.ended.end != "superseded":
        return Silenced()
    cause = request.job.cause
    if not isinstance(cause, Regenerate):
        return Silenced()
    return Silenced(voices=(*cause.voices, *request.ended.heard))
