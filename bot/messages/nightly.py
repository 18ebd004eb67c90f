"""What a night says: the issue of a kernel in trouble, its comments, and the data branch's texts.

Owns all Markdown of it. Values from the artifact are shown as code and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from bot.messages.markdown import clip, code, fence, fold, paragraphs, table
from bot.nightly_records import NightStanding
from bot.plain_text import plain_text
from runner.night_record import KernelNight, NightFailure, NightStatus, NightTiming

LABEL_DESCRIPTION = "A merged kernel that a night found wrong or slower"
_SHOWN_DETAIL_CHARS = 2_000
_MAX_TIMINGS, _MAX_NOTES = 24, 8
_MAX_FINDING_CHARS = 4_000
_SAYS = {
    NightStatus.PASSED: "correct, and as fast as recorded",
    NightStatus.FAILED: "**wrong**",
    NightStatus.REGRESSED: "correct, **slower than recorded**",
    NightStatus.UNCLEAR: "suspected; this night does not settle it",
    NightStatus.NOT_COMPARABLE: "correct; no verdict on speed",
    NightStatus.NOT_RUN: "not run",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One kernel's night, and how it stood before and stands after it."""

    kernel: str
    before: NightStanding
    after: NightStanding
    rows: tuple[KernelNight, ...]
    run_url: str
    folder: str


def title(news: News) -> str:
    """The issue's title; of a kernel that is well again, with what was wrong."""
    troubles = (news.after.legs or news.before.legs).values()
    what = "is wrong" if "failed" in troubles else "is slower than recorded"
    return f"night: {news.kernel} {what}"


def body(news: News) -> str:
    """The issue's text as of this night: what was found, where, and how to see it oneself."""
    standing = news.after.model_dump_json()
    marker = (
        f"<!-- kernelwright:night {news.kernel} -->\n"
        f"<!-- kernelwright:night-standing {standing} -->"
    )
    shown = [row for row in news.rows if row.leg in news.after.legs]
    return clip(
        [
            f"{marker}\n{_headline(news)}",
            _legs(news),
            *(_trouble(row) for row in shown),
            *(_environment(row) for row in shown[:1]),
            _reproduce(news),
            "Each night brings this text up to date. It closes by itself when the kernel is well "
            "again; whoever closes it before is not asked again until then.",
        ]
    )


def change(news: News) -> str:
    """The comment on a night that changed how the kernel stands."""
    night = _night(news)
    if not news.after.legs:
        return paragraphs(
            f"{code(news.kernel)} is well again: {night} found nothing wrong any more wherever it "
            "was in trouble. Closing.",
            _legs(news),
        )
    verb = "is in trouble again" if not news.before.legs else "stands differently"
    shown = [row for row in news.rows if row.leg in news.after.legs]
    return clip(
        [f"{code(news.kernel)} {verb}, {night}.", _legs(news), *(_trouble(row) for row in shown)]
    )


def finding(news: News) -> str:
    """What is wrong, for the model that writes the kernel again: plain words, no Markdown."""
    lines = []
    for row in news.rows:
        if row.leg not in news.after.legs or row.environment is None:
            continue
        where = f"torch {row.environment.torch}, Triton {row.environment.triton}"
        if row.failure is not None:
            lines.append(f"With {where} this kernel fails: {row.failure.summary}")
        elif row.status is NightStatus.REGRESSED:
            slow = [t for t in row.timings if t.speed_high is not None and t.speed_high < 1]
            on = ", ".join(f"{t.workload} ({t.speed:.3f} of its speed)" for t in slow)
            lines.append(f"With {where} this kernel became slower against its baselines: {on}")
    return plain_text("\n".join(lines), _MAX_FINDING_CHARS)


def history_message(night: date) -> str:
    """The commit message of a night's lines."""
    return f"Night of {night.isoformat()}"


def data_readme() -> str:
    """What the data branch says of itself."""
    return (
        "# History of the nights\n\n"
        "Each file in `nights/` holds one night, a JSON line for each kernel and leg. kernelwright "
        "appends to this branch and never rewrites it; it shares no history with the code.\n"
    )


def _night(news: News) -> str:
    when = news.rows[0].night.isoformat() if news.rows else "a night"
    return f"[the night of {when}]({news.run_url})"


def _headline(news: News) -> str:
    if not news.after.legs:
        return f"{code(news.kernel)} was in trouble, and is well again since {_night(news)}."
    if "failed" in news.after.legs.values():
        words = "was merged as correct, and the verifier says no now"
    else:
        words = "is correct, and slower against its baselines than when it was merged"
    return f"The kernel {code(news.kernel)} {words}: {_night(news)}."


def _legs(news: News) -> str:
    """Each leg: its versions and what the night found there."""
    rows = []
    seen = set()
    for row in news.rows:
        seen.add(row.leg)
        environment = row.environment
        versions = (
            (code(environment.torch), code(environment.triton), code(environment.gpu or "no GPU"))
            if environment
            else ("—", "—", "—")
        )
        rows.append((code(row.leg), *versions, _SAYS[row.status]))
    left = [leg for leg in news.after.legs if leg not in seen]
    rows.extend((code(leg), "—", "—", "—", "not run; as before") for leg in left)
    return table(("leg", "torch", "Triton", "GPU", "tonight"), rows)


def _trouble(row: KernelNight) -> str:
    parts = [f"### {code(row.leg)}"]
    if row.failure is not None:
        parts.append(_failure(row.failure))
    elif row.status is NightStatus.REGRESSED:
        parts.append(_speed(row.timings))
    parts.extend(f"- {code(note, 500)}" for note in row.notes[:_MAX_NOTES])
    return paragraphs(*parts)


def _failure(failure: NightFailure) -> str:
    rows = [("stage", code(failure.stage)), ("verdict", code(failure.summary, 500))]
    if failure.workload is not None:
        rows.append(("smallest workload that fails", code(str(failure.workload))))
    if failure.distribution:
        rows.append(("inputs", code(failure.distribution)))
    if failure.output:
        rows.append(("output", code(failure.output)))
    detail = fold("What the verifier saw", fence(failure.detail, limit=_SHOWN_DETAIL_CHARS))
    return paragraphs(table(("", ""), rows), detail if failure.detail else "")


def _speed(timings: Sequence[NightTiming]) -> str:
    """Before and after, by workload and baseline. Below 1 the kernel is slower than it was."""
    rows = []
    for timing in timings:
        for baseline in timing.baselines:
            before = baseline.recorded_ratio
            rows.append(
                (
                    code(str(timing.workload)),
                    code(baseline.name),
                    f"{before:.3f}x" if before is not None else "—",
                    f"{baseline.ratio:.3f}x ({baseline.low:.3f} to {baseline.high:.3f})",
                    _moved(timing),
                )
            )
    head = ("workload", "baseline", "ratio when merged", "tonight (95 % interval)", "its speed now")
    return paragraphs(
        table(head, rows[:_MAX_TIMINGS]),
        "A ratio is the baseline's time over the kernel's, timed in turns: a clock or a driver "
        "that changes moves both and leaves it alone.",
    )


def _moved(timing: NightTiming) -> str:
    if timing.speed is None or timing.speed_low is None or timing.speed_high is None:
        return "—"
    return f"{timing.speed:.3f} ({timing.speed_low:.3f} to {timing.speed_high:.3f})"


def _environment(row: KernelNight) -> str:
    environment = row.environment
    if environment is None:
        return ""
    pairs = [
        ("GPU", environment.gpu), ("driver", environment.driver), ("CUDA", environment.cuda),
        ("torch", environment.torch), ("Triton", environment.triton),
        ("Python", environment.python), ("sandbox", environment.sandbox),
        ("recorded on", row.recorded_gpu),
    ]  # fmt: skip
    rows = [(name, code(value)) for name, value in pairs if value]
    # A title in HTML shows Markdown as it is; a leg's name is checked.
    return fold(f"Where it was seen: {row.leg}", table(("", ""), rows))


def _reproduce(news: News) -> str:
    return paragraphs(
        "To see it yourself, on such a machine:",
        fence(f"python -m runner verify {news.folder}/{news.kernel}", "sh"),
    )
