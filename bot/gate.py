"""What comes before any work: is this thread ours, may this person ask, is the repository set up?

Owns that order, that a refusal is said, and the answer to a command that cannot be read. One look
at GitHub; its result is recorded, so that a delivery carried out again meets the same answer.
"""

from __future__ import annotations

from bot.config import STATE_PREFIX, RepositoryConfig
from bot.config_file import fetch_config
from bot.desk import Desk
from bot.errors import NotFound, UserError
from bot.github_api import GitHub
from bot.messages import refusals as say
from bot.permissions import may_ask, may_read
from bot.records import Admission, Asked, ConfigRead, NightEnded, Regenerate, RunMoved, Start, Usage
from runner.contract import sha256_hex

Request = Start | Regenerate | Asked | Usage


def pass_gate(desk: Desk) -> RepositoryConfig | None:
    """The configuration under which the delivery goes on; None where nothing is left to do.

    Raises UserError for what the caller says as its reply, and StepCrashed.
    """
    asked = desk.delivery.decision
    if isinstance(asked, RunMoved | NightEnded):
        raise TypeError("a run that moved asks for nothing")
    admission = desk.steps.run("admit", lambda: admit(desk.github(), asked), Admission)
    if not admission.is_ours:
        return None
    if admission.refusal:
        _say(desk, asked, admission.refusal, admission.once)
        return None
    if isinstance(asked, Usage):
        _say(desk, asked, say.usage(asked.problem, asked.meant), admission.once)
        return None
    return admission.config


def _say(desk: Desk, asked: Request, text: str, once: str) -> None:
    """Answer the delivery, or (`once`) the thread, which is not told the same a second time.

    The reaction is there every time: nobody is met with silence.
    """
    is_help = isinstance(asked, Usage) and asked.problem is None
    if not is_help and not isinstance(asked, Start) and asked.comment_id is not None:
        desk.react(asked.comment_id, "confused")
    if once:
        desk.reply_once(say.refusal_marker(once), text)
    else:
        desk.reply(text)


def admit(github: GitHub, asked: Request) -> Admission:
    """Whether `asked` may go on. Raises UserError for a budget beyond the repository's."""
    read = fetch_config(github)
    if not _is_ours(github, asked, read):
        return Admission(is_ours=False)
    if read.config is None and _needs_config(asked):
        digest = sha256_hex("\n".join(f"{row.line} {row.message}" for row in read.faults))
        # A label has no comment that a reaction could answer: it is told each time.
        once = "" if isinstance(asked, Start) else f"config {digest[:16]}"
        return Admission(is_ours=True, refusal=say.config_faults(read.faults), once=once)
    # Stopping a run and asking about it work whatever the file says; by default's rules.
    config = read.config or RepositoryConfig()
    role = github.role(asked.sender)
    allowed = is_nights_own(asked, config) or may_ask(asked.sender, role, config.who_may_ask)
    if isinstance(asked, Usage) or (isinstance(asked, Asked) and asked.command == "status"):
        if not may_read(role):
            return _refusal(asked, say.cannot_read(asked.sender))
        # Whoever may start nothing is told the usage once, not at every try.
        once = "" if allowed else f"usage {asked.sender}"
        return Admission(is_ours=True, config=config, once=once)
    if not allowed:
        return _refusal(asked, say.refused(asked.sender, config))
    if isinstance(asked, Regenerate) and (asked.budget_s or 0) > config.budget.max_s:
        text = say.budget_too_long(asked.budget_s or 0, config.budget.max_s)
        raise UserError(text, "refused")
    return Admission(is_ours=True, config=config)


def is_nights_own(asked: Request, config: RepositoryConfig) -> bool:
    """Whether a night started this by itself, and the repository says that it may."""
    return isinstance(asked, Start) and asked.merged is not None and config.nightly.regenerate


def _refusal(asked: Request, text: str) -> Admission:
    return Admission(is_ours=True, refusal=text, once=f"sender {asked.sender}")


def _needs_config(asked: Request) -> bool:
    """Whether it starts a run."""
    if isinstance(asked, Asked):
        return asked.command == "verify"
    return isinstance(asked, Start | Regenerate)


def _is_ours(github: GitHub, asked: Request, read: ConfigRead) -> bool:
    """A request's issue by its labels, as they are now; a pull request was looked at before."""
    if isinstance(asked, Start):
        return asked.label == read.label
    on_pull = asked.pull_number is not None if isinstance(asked, Regenerate) else asked.on_pull
    if on_pull:
        return True
    try:
        labels = github.issue(asked.thread_number).labels
    except NotFound:
        return False  # transferred or deleted since
    return any(label == read.label or label.startswith(STATE_PREFIX) for label in labels)
