"""Reviews that come together are one round: the minute after the first of them.

Owns the window and who is heard in it. A review that comes too late is told so by the absence of
its id in `gathered`, and then makes a round of its own.
"""

from __future__ import annotations

from bot.errors import UserError
from bot.messages import progress, run_ends
from bot.records import Job, Regenerate, Standing, Voice, with_voices
from bot.states import Track
from bot.steps import Steps
from bot.telling import Telling
from bot.tools import Tools


def gather(steps: Steps, tools: Tools, telling: Telling, track: Track, heard: list[Voice]) -> Job:
    """The job with every review that came within the window. Raises UserError where stopped.

    Every further voice goes into `heard` at once: where this round is stopped, the next has it.
    """
    job, cause = telling.job, telling.job.cause
    if not isinstance(cause, Regenerate) or cause.review_id is None:
        steps.announce_gathered(())
        track.move("checking")
        return job
    track.move("gathering")
    opened_s = steps.run("clock", tools.now_s, float)
    steps.stand(Standing(state="gathering", at_s=opened_s))
    if tools.review_window_s > 0:
        telling.show(progress.progress(job, "gathering"), "show_gathering")
    left_s = tools.review_window_s
    while left_s > 0:
        heard += _hear(steps, job, left_s)
        left_s = tools.review_window_s - (steps.run("clock", tools.now_s, float) - opened_s)
    whole = with_voices(cause, tuple(heard))
    ids = [voice.review_id for voice in whole.voices if voice.review_id is not None]
    steps.announce_gathered(tuple(ids))
    track.move("checking")
    return job.model_copy(update={"cause": whole})


def _hear(steps: Steps, job: Job, timeout_s: float) -> list[Voice]:
    note = steps.wait(timeout_s)
    if note is None:
        return []
    if note.kind == "cancel":
        raise UserError(run_ends.cancelled_before_run(note.by, job), "cancelled")
    if note.kind == "supersede":
        raise UserError(run_ends.superseded(note.by), "superseded")
    return [note.voice] if note.voice is not None else []
