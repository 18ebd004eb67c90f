"""The GitHub client over HTTP: every call against the stand-in, and what it makes of errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot.errors import GitHubError, GitHubUnavailable, NotFound, SettingsError
from bot.github_api import GitHub, NewCheckRun, NewPull, Subject
from bot.github_api.client import PyGithubApp
from bot.permissions import Role
from bot.settings import Settings
from bot.standin import Inline, Person, Repository, StandIn

LOGIN = "kernelwright[bot]"


def settings_for(url: str, github: StandIn) -> Settings:
    return Settings(
        app_id=str(github.app_id), private_key=github.private_key_pem, webhook_secret="s",
        github_api_url=url, seconds_between_requests=0, seconds_between_writes=0,
        creations_per_minute=10_000, creations_per_hour=10_000,
    )  # fmt: skip


@pytest.fixture
def app(github: StandIn) -> PyGithubApp:
    return PyGithubApp(settings_for(github.base_url, github))


@pytest.fixture
def client(app: PyGithubApp, github: StandIn, repository: Repository) -> Iterator[GitHub]:
    yield app.repository(repository.full_name, None)
    assert github.violations == []


def test_the_app_knows_its_login(app: PyGithubApp) -> None:
    assert app.login() == LOGIN


def test_a_wrong_app_id_is_the_operators_to_mend(github: StandIn) -> None:
    settings = settings_for(github.base_url, github).model_copy(update={"app_id": "1"})
    with pytest.raises(SettingsError, match="KERNELWRIGHT_APP_ID"):
        PyGithubApp(settings).login()


def test_roles(client: GitHub, github: StandIn, repository: Repository) -> None:
    github.person("max", repository, "triage")
    github.person("mia", repository, "maintain")
    assert client.role("max") == Role(role_name="triage", permission="read")
    assert client.role("mia") == Role(role_name="maintain", permission="write")
    assert client.role("nobody-at-all") == Role(role_name="none", permission="none")


def test_comments_are_found_on_every_page(client: GitHub, mona: Person) -> None:
    number = mona.open_issue("t", "b")
    made = [client.create_comment(number, f"comment {n}").id for n in range(103)]
    assert [comment.id for comment in client.comments(number)] == made
    client.edit_comment(made[-1], "changed")
    assert client.comments(number)[-1].body == "changed"
    assert client.comments(number)[-1].author == LOGIN


def test_issues_labels_and_reactions(client: GitHub, mona: Person, repository: Repository) -> None:
    number = mona.open_issue("t", "body")
    comment_id = mona.comment(number, "hello")
    for _ in range(2):  # the second time finds what is there
        client.ensure_label("kernel-request:invalid", "d93f0b", "Faulty")
        client.add_label(number, "kernel-request:invalid")
        client.react(Subject(kind="issue", number=number), "eyes")
        client.react(Subject(kind="comment", number=comment_id), "confused")
    issue = client.issue(number)
    assert (issue.body, issue.is_open, issue.labels) == ("body", True, ("kernel-request:invalid",))
    for _ in range(2):
        client.remove_label(number, "kernel-request:invalid")
    assert client.issue(number).labels == ()
    assert len(repository.issues[number].reactions) == 1
    with pytest.raises(NotFound):
        client.issue(4711)


def test_a_label_that_another_request_makes_in_between_is_there(
    client: Any, app: PyGithubApp, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, looks = app.repository(repository.full_name, None), []
    has_label = client._has_label

    def look_first(name: str) -> bool:
        looks.append(name)
        if len(looks) == 1:
            other.ensure_label(name, "d93f0b", "Theirs")
            return False
        return bool(has_label(name))

    monkeypatch.setattr(client, "_has_label", look_first)
    client.ensure_label("kernel-request:running", "d93f0b", "Ours")
    assert repository.labels["kernel-request:running"].description == "Theirs"
    monkeypatch.setattr(client, "_has_label", lambda name: False)
    with pytest.raises(GitHubError, match="422"):  # refused, and still not there
        client.ensure_label("kernel-request:running", "d93f0b", "Ours")


def test_a_branch_a_commit_and_a_pull_request(client: GitHub, mona: Person) -> None:
    base = client.branch_head("main")
    assert base is not None
    assert client.branch_head("kernel/1-add-one") is None
    blob = client.create_blob("naïve\n".encode())
    tree = client.create_tree(client.commit(base).tree_sha, {"problems/a/kernel.py": blob})
    sha = client.create_commit("Add kernel\n\nTrailer: 1", tree, base)
    client.create_branch("kernel/1-add-one", sha)
    assert client.branch_head("kernel/1-add-one") == sha
    assert client.commit(sha).author_name == LOGIN
    assert client.read_file("problems/a/kernel.py", sha) == "naïve\n"
    assert client.read_file("README.md", sha) is not None
    assert client.read_file("nowhere.py", sha) is None
    assert client.read_file("problems", sha) is None

    new = NewPull(title="t", body="b", head="kernel/1-add-one", base=client.default_branch())
    pull = client.create_pull(new)
    assert (pull.author, pull.head_ref, pull.head_sha) == (LOGIN, "kernel/1-add-one", sha)
    assert client.pull(pull.number) == pull
    assert client.open_pulls() == client.pulls_of_branch("kernel/1-add-one") == [pull]
    assert client.pulls_of_branch("kernel/2-add-one") == []
    (commit,) = client.pull_commits(pull.number)
    assert (commit.sha, commit.author) == (sha, LOGIN)
    client.edit_pull(pull.number, "new title", "new body")
    mona.close(pull.number)
    assert not client.pull(pull.number).is_open
    assert client.open_pulls() == []


def test_files_are_found_by_name_wherever_they_lie(client: GitHub, mona: Person) -> None:
    added = {"a/b/x.toml": b"1\n", "x.toml": b"2\n", "a/x.toml.bak": b"3\n"}
    sha = mona.push_commit("main", added, "Add")
    assert client.files_named("x.toml", sha) == ["a/b/x.toml", "x.toml"]


def test_a_branch_that_moved_is_not_forced(client: GitHub, mona: Person) -> None:
    base = client.branch_head("main")
    assert base is not None
    tree = client.commit(base).tree_sha
    ours = client.create_commit("ours", tree, base)
    client.create_branch("kernel/1-a", base)
    theirs = mona.push_commit("kernel/1-a", {"x": b"1"}, "theirs")
    with pytest.raises(GitHubError) as caught:
        client.move_branch("kernel/1-a", ours)
    assert caught.value.status == 422
    assert client.branch_head("kernel/1-a") == theirs
    with pytest.raises(GitHubError):
        client.create_branch("kernel/1-a", ours)


def test_reviews_and_checks(client: GitHub, mona: Person, repository: Repository) -> None:
    base = client.branch_head("main")
    assert base is not None
    blob = client.create_blob(b"one\ntwo\nthree\n")
    sha = client.create_commit(
        "add", client.create_tree(client.commit(base).tree_sha, {"k.py": blob}), base
    )
    client.create_branch("kernel/1-a", sha)
    pull = client.create_pull(NewPull(title="t", body="b", head="kernel/1-a", base="main"))
    review = mona.review(
        pull.number, "REQUEST_CHANGES", comments=[Inline(path="k.py", line=2, body="why two?")]
    )
    (comment,) = client.review_comments(pull.number, review)
    assert (comment.path, comment.line, comment.body) == ("k.py", 2, "why two?")
    check = NewCheckRun(
        name="n", head_sha=sha, external_id="kw-1", conclusion="success", title="t", summary="s"
    )
    client.create_check_run(check)
    (found,) = client.check_runs(sha)
    assert (found.name, found.external_id) == ("n", "kw-1")
    client.edit_check_run(found.id, check)
    assert len(repository.check_runs) == 1


def test_dispatch_run_and_artifact(
    client: GitHub, repository: Repository, bundles: Any, issue_body: Any
) -> None:
    from bot.issue_form import parse_form
    from runner.bundle import read_bundle
    from runner.contract import KernelRequest

    form = parse_form(issue_body())
    request = KernelRequest(
        request_id="kw-0123456789abcdef", repository=repository.full_name, base_sha="a" * 40,
        issue_number=1, generation=0, requested_by="mona", problem_toml=form.problem_toml,
        reference_py=form.reference_py,
    )  # fmt: skip
    assert client.find_run("generate.yml", request.request_id) is None
    inputs = {"request": request.model_dump_json(), "request_id": request.request_id}
    run_id = client.dispatch("generate.yml", "main", inputs)
    assert run_id is not None
    found = client.find_run("generate.yml", request.request_id)
    assert found is not None
    assert found.id == run_id
    assert found.repository_id == client.run(run_id).repository_id == repository.id
    deadline_s = time.monotonic() + 10
    while client.run(run_id).status != "completed" and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert client.run(run_id).conclusion == "success"
    name = f"kernelwright-{request.request_id}"
    data = client.download_artifact(run_id, name, 1 << 20)
    assert data is not None
    assert read_bundle(data, request=request).manifest.problem == "add_one"
    assert client.download_artifact(run_id, "another", 1 << 20) is None
    with pytest.raises(GitHubError) as caught:
        client.download_artifact(run_id, name, 100)
    assert caught.value.status == 413
    with pytest.raises(NotFound):
        client.dispatch("nowhere.yml", "main", inputs)


class Scripted(BaseHTTPRequestHandler):
    """Answers from a list of (status, headers); the last one again and again."""

    answers: list[tuple[int, dict[str, str]]]
    seen: list[str]

    def _answer(self) -> None:
        type(self).seen.append(self.command)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, headers = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if self.path.endswith("/access_tokens"):
            type(self).seen.pop()
            status, body = 201, b'{"token": "ghs_x", "expires_at": "2099-01-01T00:00:00Z"}'
        else:
            body = b'{"message": "scripted", "default_branch": "main", "id": 1}'
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def scripted() -> Iterator[tuple[type[Scripted], str]]:
    handler = type("Handler", (Scripted,), {"answers": [(200, {})], "seen": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield handler, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def scripted_client(scripted: Any, github: StandIn, *answers: tuple[int, dict[str, str]]) -> Any:
    handler, url = scripted
    handler.answers = [(201, {}), *answers]  # the first is for the installation's token
    return PyGithubApp(settings_for(url, github)).repository("octo/kernels", 1)


def test_a_read_is_repeated_after_a_bad_gateway(scripted: Any, github: StandIn) -> None:
    client = scripted_client(scripted, github, (502, {}), (200, {}))
    assert client.default_branch() == "main"
    assert scripted[0].seen == ["GET", "GET"]


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_write_is_never_repeated_by_itself(scripted: Any, github: StandIn, status: int) -> None:
    client = scripted_client(scripted, github, (status, {}))
    with pytest.raises(GitHubUnavailable):
        client.create_comment(1, "once")
    assert scripted[0].seen == ["POST"]


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {"retry-after": "7"}, 7.0),
        (429, {}, 60.0),
        (403, {"retry-after": "7"}, 7.0),
        (503, {"retry-after": "3"}, 3.0),
        (500, {}, None),
    ],
)
def test_what_to_wait_for_is_githubs_word(
    scripted: Any, github: StandIn, status: int, headers: dict[str, str], wait_s: float | None
) -> None:
    client = scripted_client(scripted, github, (status, headers))
    with pytest.raises(GitHubUnavailable) as caught:
        client.create_comment(1, "x")
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (403, GitHubError), (422, GitHubError)]
)
def test_a_refusal_is_no_outage(
    scripted: Any, github: StandIn, status: int, kind: type[Exception]
) -> None:
    client = scripted_client(scripted, github, (status, {}))
    with pytest.raises(kind) as caught:
        client.create_comment(1, "x")
    assert not isinstance(caught.value, GitHubUnavailable)
    assert "scripted" in str(caught.value)


def test_a_dead_github_is_an_outage(github: StandIn, tmp_path: Path) -> None:
    import socket

    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(GitHubUnavailable):
        PyGithubApp(settings_for(url, github)).login()
