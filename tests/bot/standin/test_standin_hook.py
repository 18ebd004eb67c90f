"""The App's list of deliveries: newest first, page by page, and each may be sent again."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import NotFound
from bot.github_api.client import PyGithubApp
from bot.settings import Settings
from bot.standin import Person, Repository, StandIn


@pytest.fixture
def client(standin: StandIn, tmp_path: Path) -> PyGithubApp:
    return PyGithubApp(
        Settings(
            app_id=str(standin.app_id),
            private_key=standin.private_key_pem,
            webhook_secret="s",
            github_api_url=standin.base_url,
            seconds_between_requests=0,
            seconds_between_writes=0,
            state_dir=tmp_path,
        )
    )


def test_lists_every_delivery_over_all_pages(
    standin: StandIn, repository: Repository, client: PyGithubApp, receiver
) -> None:
    standin.webhook_url = receiver.url
    receiver.answers.extend([202, 502])
    sent = [standin.hub.webhooks.send("ping", {"zen": str(n)}) for n in range(103)]
    assert all(each.done.wait(20) for each in sent)

    found = client.hook_deliveries(since_s=0)

    assert [each.guid for each in found] == [each.id for each in sent][::-1]
    assert [each.status for each in found[-3:]] == [202, 502, 202]


def test_what_was_lost_is_listed_without_an_answer_and_arrives_when_sent_again(
    standin: StandIn, repository: Repository, client: PyGithubApp, ada: Person, receiver
) -> None:
    standin.webhook_url = receiver.url
    standin.faults.lose("issues.opened")
    ada.open_issue("A kernel", "please")
    (lost,) = standin.deliveries
    (row,) = client.hook_deliveries(since_s=0)
    assert (row.guid, row.status) == (lost.id, 0)

    client.redeliver(row.id)

    assert lost.done.wait(20)
    assert [each.headers["x-github-delivery"] for each in receiver.received] == [lost.id]
    assert client.hook_deliveries(since_s=0)[0].status == 202
    with pytest.raises(NotFound):
        client.redeliver(row.id + 1)
    assert standin.violations == []


def test_repositories_are_those_of_an_installation_that_is_not_suspended(
    standin: StandIn, repository: Repository, client: PyGithubApp
) -> None:
    assert [each.full_name for each in client.repositories()] == ["octo/kernels"]
    standin.hub.registration.is_suspended = True
    assert client.repositories() == []
