"""Commands about a request that exists: `/cancel`, `/status`, `/verify`.

Owns what each does; whether the asker may is settled before (`gate`). A verification's id comes
from its comment: the same comment never verifies twice.
"""

from __future__ import annotations

from collections.abc import Callable

from bot import threads
from bot.config import RepositoryConfig
from bot.desk import Desk
from bot.errors import UserError
from bot.github_api import Pull
from bot.handlers import read_branch_name
from bot.kernel_folder import folder_of
from bot.messages import asking as say
from bot.records import Asked, Latest, Note, Opening, Request, Standing, VerifyJob
from runner.contract import sha256_hex

FindPull = Callable[[], Pull]


def answer(desk: Desk, asked: Asked, config: RepositoryConfig, find_pull: FindPull) -> None:
    """Carry the command out, or say why not. Raises UserError for what the asker can mend."""
    desk.react(asked.comment_id, "eyes")
    if asked.command == "status":
        _status(desk, asked, find_pull)
    elif asked.command == "cancel":
        _cancel(desk, asked, find_pull)
    else:
        _verify(desk, asked, config, find_pull)


def _cancel(desk: Desk, asked: Asked, find_pull: FindPull) -> None:
    issue_number = _issue_number(desk, asked, find_pull)
    active = desk.steps.run(
        "find_active",
        lambda: desk.requests.active(desk.delivery.repository, issue_number) or "",
        str,
    )
    if not active:
        raise UserError(say.nothing_to_cancel(), "refused")
    note = Note(kind="cancel", by=asked.sender)
    desk.requests.tell(active, note, f"{desk.delivery.delivery_id}-cancel")
    desk.reply(say.cancelling(active))


def _status(desk: Desk, asked: Asked, find_pull: FindPull) -> None:
    issue_number = _issue_number(desk, asked, find_pull)
    repository = desk.delivery.repository
    latest = desk.steps.run(
        "find_latest",
        lambda: Latest(request=desk.requests.latest(repository, issue_number)),
        Latest,
    ).request
    standing: Standing | None = None
    if latest is not None:
        standing = desk.requests.standing(latest.job.request_id)
    desk.steps.do("show_status", lambda: _show_status(desk, asked, latest, standing))


def _show_status(
    desk: Desk, asked: Asked, latest: Request | None, standing: Standing | None
) -> None:
    body = say.status(latest, standing, desk.tools.now_s())
    threads.keep_comment(desk.github(), asked.thread_number, body, desk.tools.login)


def _verify(desk: Desk, asked: Asked, config: RepositoryConfig, find_pull: FindPull) -> None:
    folder = config.problems_folder
    seen = desk.steps.run("read_pull", lambda: _read(desk, find_pull(), folder), Opening)
    if seen.pull_number is None or seen.head_sha is None or seen.slug is None:
        raise ValueError("a pull request of ours has a branch of ours")
    delivery = desk.delivery
    identity = f"verify\0{delivery.repository.lower()}\0{asked.comment_id}\0{seen.head_sha}"
    job = VerifyJob(
        request_id=f"kw-{sha256_hex(identity)[:16]}",
        repository=delivery.repository,
        installation_id=delivery.installation_id,
        pull_number=seen.pull_number,
        problem=f"{seen.folder}/{seen.slug}",
        head_sha=seen.head_sha,
        sender=asked.sender,
        runner_labels=config.runner_labels,
    )
    desk.requests.start_verification(job)
    desk.reply(say.verifying(job.head_sha))


def _read(desk: Desk, pull: Pull, configured: str) -> Opening:
    issue_number, slug = _named(pull)
    return Opening(
        issue_number=issue_number,
        spec_sha256="",
        pull_number=pull.number,
        head_sha=pull.head_sha,
        slug=slug,
        folder=folder_of(desk.github(), pull.head_sha, slug, configured),
    )


def _named(pull: Pull) -> tuple[int, str]:
    """Issue and slug of an open pull request of ours. Raises UserError for any other."""
    named = read_branch_name(pull.head_ref)
    if named is None or not pull.is_open:
        raise UserError(say.nothing_to_verify(), "refused")
    return named


def _issue_number(desk: Desk, asked: Asked, find_pull: FindPull) -> int:
    """The request's issue: where it was asked, or the one that the pull request's branch names."""
    if not asked.on_pull:
        return asked.thread_number
    return desk.steps.run("find_issue", lambda: _named(find_pull())[0], int)
