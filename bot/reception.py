"""What happens to one delivery: a request is started, woken or refused, or a question answered.

Owns a request's identity (repository, issue, spec, round; never the delivery) and the rule of one
run at a time for an issue. The order of a request's own steps is in `workflow`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from bot import gate, issue_form, threads
from bot.caps import WINDOW_S, cap_reached
from bot.config import CapsConfig, RepositoryConfig
from bot.errors import UserError
from bot.github_api import GitHub, Pull
from bot.handlers import read_branch_name
from bot.messages import comments as say
from bot.messages import refusals
from bot.preparation import SPEC_FILES
from bot.records import (
    Asked,
    Choice,
    Delivery,
    Ended,
    Job,
    Opening,
    Regenerate,
    RunMoved,
    RunStarted,
    Start,
    Usage,
)
from bot.review import inline_comments
from bot.steps import StepCrashed, Steps
from bot.tools import Tools
from runner.contract import sha256_hex

log = logging.getLogger(__name__)
MAX_ROUNDS = 100


class Requests(Protocol):
    """The requests that this service keeps."""

    def choosing(self) -> AbstractContextManager[object]:
        """Held from the choice of a request to its start: two labels make one run."""
        ...

    def active(self, repository: str, issue_number: int) -> str | None:
        """The id of the issue's request that has not ended, or None."""
        ...

    def ended(self, request_ids: Sequence[str]) -> dict[str, Ended]:
        """The ends of those requests that are known; of any state."""
        ...

    def runs_since(self, repository: str, since_s: float) -> list[RunStarted]:
        """The runs of a repository's requests opened since Unix time `since_s`.

        A request under way counts: its run is started, or about to be.
        """
        ...

    def start(self, job: Job) -> None:
        """Start a request; nothing where it was started before."""
        ...

    def wake(self, request_id: str, key: str) -> None:
        """Let a waiting request look at its run; nothing where there is none. Once for a key."""
        ...


def request_id_of(repository: str, issue_number: int, spec_sha256: str, ordinal: int) -> str:
    """The id of an issue's request number `ordinal` (from 0) for one spec."""
    identity = f"{repository.lower()}\0{issue_number}\0{spec_sha256}\0{ordinal}"
    return f"kw-{sha256_hex(identity)[:16]}"


def receive(steps: Steps, tools: Tools, requests: Requests, delivery: Delivery) -> None:
    """Act on one delivery."""
    decision = delivery.decision
    if isinstance(decision, RunMoved):
        requests.wake(decision.request_id, delivery.delivery_id)
        return
    try:
        config = gate.pass_gate(steps, tools, delivery)
        if config is None or isinstance(decision, Usage):
            return
        if isinstance(decision, Asked):
            _ask(steps, tools, requests, delivery, decision)
        else:
            _open(steps, tools, requests, delivery, decision, config)
    except UserError as error:
        _reply(steps, tools, delivery, error.text)
    except StepCrashed:
        log.error("delivery %s ended by a step that failed", delivery.delivery_id)  # noqa: TRY400
        _reply(steps, tools, delivery, say.unexpected_delivery(delivery))


def _open(
    steps: Steps,
    tools: Tools,
    requests: Requests,
    delivery: Delivery,
    cause: Start | Regenerate,
    config: RepositoryConfig,
) -> None:
    opening = steps.run("read_opening", lambda: _read(tools, delivery, cause, config), Opening)
    with requests.choosing():
        choice = steps.run("choose", lambda: _choose(requests, delivery, opening), Choice)
        if not choice.busy:
            steps.do(
                "check_caps",
                lambda: check_caps(requests, delivery, config.caps, tools.now_s()),
            )
            requests.start(
                Job(
                    request_id=choice.request_id,
                    repository=delivery.repository,
                    installation_id=delivery.installation_id,
                    issue_number=opening.issue_number,
                    generation=choice.generation,
                    spec_sha256=opening.spec_sha256,
                    cause=cause,
                    pull_number=opening.pull_number,
                    head_sha=opening.head_sha,
                    slug=opening.slug,
                    config=config,
                )
            )
            return
    _reply(steps, tools, delivery, say.busy(choice.request_id))


def _read(
    tools: Tools, delivery: Delivery, cause: Start | Regenerate, config: RepositoryConfig
) -> Opening:
    github = tools.github(delivery.repository, delivery.installation_id)
    if isinstance(cause, Start):
        form = issue_form.parse_form(github.issue(cause.issue_number).body)
        return Opening(issue_number=cause.issue_number, spec_sha256=form.spec_sha256)
    if cause.review_id is not None and not cause.guidance and not inline_comments(github, cause):
        raise UserError(refusals.review_without_words())
    pull = _find_pull(github, delivery, cause, tools.login, config.label)
    return _read_kernel(github, pull, config.problems_folder)


def _find_pull(
    github: GitHub, delivery: Delivery, cause: Regenerate, login: str, label: str
) -> Pull:
    """Our pull request that `cause` means. Raises UserError where there is none."""
    if cause.pull_number is not None:
        pulls = [github.pull(cause.pull_number)]
    else:
        pulls = [
            pull
            for pull in github.open_pulls()
            if (read_branch_name(pull.head_ref) or (0, ""))[0] == cause.thread_number
        ]
    for pull in pulls:
        same_repository = (pull.head_repository or "").lower() == delivery.repository.lower()
        if same_repository and pull.author == login and read_branch_name(pull.head_ref):
            return pull
    raise UserError(say.no_pull(label))


def _read_kernel(github: GitHub, pull: Pull, folder: str) -> Opening:
    named = read_branch_name(pull.head_ref)
    if named is None:
        raise ValueError(f"{pull.head_ref} is no branch of a request")
    issue_number, slug = named
    texts = [github.read_file(f"{folder}/{slug}/{name}", pull.head_sha) for name in SPEC_FILES]
    return Opening(
        issue_number=issue_number,
        spec_sha256=issue_form.spec_digest(texts[0] or "", texts[1] or "", texts[2]),
        rounds=len(github.pull_commits(pull.number)),
        pull_number=pull.number,
        head_sha=pull.head_sha,
        slug=slug,
    )


def _choose(requests: Requests, delivery: Delivery, opening: Opening) -> Choice:
    active = requests.active(delivery.repository, opening.issue_number)
    if active is not None:
        return Choice(request_id=active, generation=0, busy=True)
    identity = (delivery.repository, opening.issue_number, opening.spec_sha256)
    # Rounds that only the branch knows of (the database was lost) count as made.
    ids = [request_id_of(*identity, n) for n in range(MAX_ROUNDS)]
    ended = requests.ended(ids)
    runs = sum(end.dispatched for end in ended.values())
    for ordinal in range(opening.rounds, MAX_ROUNDS):
        if ids[ordinal] not in ended:
            generation = max(runs, opening.rounds)
            return Choice(request_id=ids[ordinal], generation=generation, busy=False)
    raise UserError(say.too_many_rounds(MAX_ROUNDS))


def check_caps(requests: Requests, delivery: Delivery, caps: CapsConfig, now_s: float) -> None:
    """Raises UserError, which says when it is possible again, where a day's runs are used up."""
    if isinstance(delivery.decision, RunMoved) or caps == CapsConfig():
        return
    sender = delivery.decision.sender
    rows = requests.runs_since(delivery.repository, now_s - WINDOW_S)
    reached = cap_reached(rows, caps, sender, now_s)
    if reached is not None:
        text = refusals.cap(reached.whose, reached.limit, reached.free_at_s)
        raise UserError(text, "refused")


def _ask(steps: Steps, tools: Tools, requests: Requests, delivery: Delivery, asked: Asked) -> None:
    raise NotImplementedError


def _reply(steps: Steps, tools: Tools, delivery: Delivery, text: str) -> None:
    decision = delivery.decision
    if isinstance(decision, RunMoved):
        return
    number = decision.issue_number if isinstance(decision, Start) else decision.thread_number

    def act() -> None:
        github = tools.github(delivery.repository, delivery.installation_id)
        threads.ensure_comment(github, number, say.reply(delivery, text), tools.login)

    steps.do("reply", act)
