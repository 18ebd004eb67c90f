"""What happens to one delivery: a request is started, woken or refused, or a question answered.

Owns a request's identity (repository, issue, spec, round; never the delivery) and the rule of one
run at a time for an issue: a second label is told so, newer words about a kernel take the place of
the older ones (`making_way`). The order of a request's own steps is in `workflow`.
"""

from __future__ import annotations

import logging

from bot import asking, gate, issue_form
from bot.caps import WINDOW_S, cap_reached
from bot.config import CapsConfig, RepositoryConfig
from bot.desk import Desk, Requests
from bot.errors import UserError
from bot.github_api import GitHub, Pull
from bot.handlers import read_branch_name
from bot.kernel_folder import folder_of
from bot.making_way import Way, make_way
from bot.messages import comments as say
from bot.messages import refusals
from bot.nightly_records import NightJob
from bot.preparation import SPEC_FILES
from bot.records import (
    Asked,
    Choice,
    Delivery,
    Job,
    NightEnded,
    Note,
    Opening,
    Regenerate,
    RunMoved,
    Start,
    Usage,
    with_voices,
)
from bot.review import inline_comments
from bot.steps import StepCrashed, Steps
from bot.tools import Tools
from runner.contract import sha256_hex

log = logging.getLogger(__name__)
MAX_ROUNDS = 100


def request_id_of(repository: str, issue_number: int, spec_sha256: str, ordinal: int) -> str:
    """The id of an issue's request number `ordinal` (from 0) for one spec."""
    identity = f"{repository.lower()}\0{issue_number}\0{spec_sha256}\0{ordinal}"
    return f"kw-{sha256_hex(identity)[:16]}"


def receive(steps: Steps, tools: Tools, requests: Requests, delivery: Delivery) -> None:
    """Act on one delivery."""
    decision = delivery.decision
    if isinstance(decision, RunMoved):
        requests.tell(decision.request_id, Note(kind="moved"), delivery.delivery_id)
        return
    if isinstance(decision, NightEnded):
        requests.start_night(
            NightJob(
                repository=delivery.repository,
                installation_id=delivery.installation_id,
                run_id=decision.run_id,
                attempt=decision.attempt,
            )
        )
        return
    desk = Desk(steps=steps, tools=tools, requests=requests, delivery=delivery)
    try:
        config = gate.pass_gate(desk)
        if config is None or isinstance(decision, Usage):
            return
        if isinstance(decision, Asked):
            asking.answer(desk, decision, config, lambda: find_pull(desk, config.label))
        else:
            _open(desk, decision, config)
    except UserError as error:
        if error.once:
            desk.keep_said(refusals.refusal_marker(error.once), error.text)
        else:
            desk.reply(error.text)
    except StepCrashed:
        log.error("delivery %s ended by a step that failed", delivery.delivery_id)  # noqa: TRY400
        desk.reply(say.unexpected_delivery(delivery))


def _open(desk: Desk, cause: Start | Regenerate, config: RepositoryConfig) -> None:
    way = Way()
    while not way.is_closed:
        whole = with_voices(cause, way.voices) if isinstance(cause, Regenerate) else cause
        choice = _start_if_free(desk, whole, config)
        if not choice.busy:
            return
        if isinstance(cause, Start):
            desk.reply(say.busy(choice.request_id))
            return
        way = make_way(
            desk, cause, choice.request_id, way,
            lambda: _check_caps(desk, cause.sender, config.caps),
        )  # fmt: skip


def _start_if_free(desk: Desk, cause: Start | Regenerate, config: RepositoryConfig) -> Choice:
    """The request that was started, or (`busy`) the one that is in the way."""
    opening = desk.steps.run("read_opening", lambda: _read(desk, cause, config), Opening)
    with desk.requests.choosing():
        choice = desk.steps.run("choose", lambda: _choose(desk, opening), Choice)
        if choice.busy:
            return choice
        desk.steps.do("check_caps", lambda: _check_caps(desk, cause.sender, config.caps))
        job = Job(
            request_id=choice.request_id,
            repository=desk.delivery.repository,
            installation_id=desk.delivery.installation_id,
            issue_number=opening.issue_number,
            generation=choice.generation,
            spec_sha256=opening.spec_sha256,
            cause=cause,
            pull_number=opening.pull_number,
            head_sha=opening.head_sha,
            slug=opening.slug,
            config=config.in_folder(opening.folder),
        )
        is_ours = desk.requests.start(job)
    return choice.model_copy(update={"busy": not is_ours})


def _read(desk: Desk, cause: Start | Regenerate, config: RepositoryConfig) -> Opening:
    github = desk.github()
    if isinstance(cause, Start):
        form = issue_form.parse_form(github.issue(cause.issue_number).body)
        return Opening(issue_number=cause.issue_number, spec_sha256=form.spec_sha256)
    if cause.review_id is not None and not cause.guidance and not inline_comments(github, cause):
        raise UserError(refusals.review_without_words())
    return _read_kernel(github, find_pull(desk, config.label), config.problems_folder)


def find_pull(desk: Desk, label: str) -> Pull:
    """Our pull request that the delivery is about. Raises UserError where there is none."""
    github, asked = desk.github(), desk.delivery.decision
    if isinstance(asked, RunMoved | NightEnded | Start):
        raise TypeError("a label and a run are about no pull request")
    on_pull = asked.pull_number is not None if isinstance(asked, Regenerate) else asked.on_pull
    if on_pull:
        pulls = [github.pull(asked.thread_number)]
    else:
        pulls = [
            pull
            for pull in github.open_pulls()
            if (read_branch_name(pull.head_ref) or (0, ""))[0] == asked.thread_number
        ]
    for pull in pulls:
        same_repository = (pull.head_repository or "").lower() == desk.delivery.repository.lower()
        if same_repository and pull.author == desk.tools.login and read_branch_name(pull.head_ref):
            return pull
    raise UserError(say.no_pull(label))


def _read_kernel(github: GitHub, pull: Pull, configured: str) -> Opening:
    named = read_branch_name(pull.head_ref)
    if named is None:
        raise ValueError(f"{pull.head_ref} is no branch of a request")
    issue_number, slug = named
    folder = folder_of(github, pull.head_sha, slug, configured)
    texts = [github.read_file(f"{folder}/{slug}/{name}", pull.head_sha) for name in SPEC_FILES]
    return Opening(
        issue_number=issue_number,
        spec_sha256=issue_form.spec_digest(texts[0] or "", texts[1] or "", texts[2]),
        rounds=len(github.pull_commits(pull.number)),
        pull_number=pull.number,
        head_sha=pull.head_sha,
        slug=slug,
        folder=folder,
    )


def _choose(desk: Desk, opening: Opening) -> Choice:
    requests, repository = desk.requests, desk.delivery.repository
    active = requests.active(repository, opening.issue_number)
    if active is not None:
        return Choice(request_id=active, generation=0, busy=True)
    identity = (repository, opening.issue_number, opening.spec_sha256)
    # Rounds that only the branch knows of (the database was lost) count as made.
    ids = [request_id_of(*identity, n) for n in range(MAX_ROUNDS)]
    ended = requests.ended(ids)
    runs = sum(end.dispatched for end in ended.values())
    for ordinal in range(opening.rounds, MAX_ROUNDS):
        if ids[ordinal] not in ended:
            generation = max(runs, opening.rounds)
            return Choice(request_id=ids[ordinal], generation=generation, busy=False)
    raise UserError(say.too_many_rounds(MAX_ROUNDS))


def _check_caps(desk: Desk, sender: str, caps: CapsConfig) -> None:
    """Raises UserError, which says when it is possible again, where a day's runs are used up."""
    if caps == CapsConfig():
        return
    now_s = desk.tools.now_s()
    rows = desk.requests.runs_since(desk.delivery.repository, now_s - WINDOW_S)
    reached = cap_reached(rows, caps, sender, now_s)
    if reached is not None:
        text = refusals.cap(reached.whose, reached.limit, reached.free_at_s)
        # Every further try would be one more such comment: the one that is there gets the new time.
        raise UserError(text, "refused", once=f"cap {sender}")
