"""The flow without a browser: one state, one code, one file; every way in which it ends badly."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.errors import GitHubUnavailable, NotFound
from bot.github_api.conversion import NewApp
from bot.setup.flow import Flow, FlowFault
from bot.setup.manifest import PlanFault, creation_url, make_plan, manifest_json

APP = NewApp(
    app_id=7, slug="kw", html_url="https://github.com/apps/kw", owner="octo",
    private_key_pem="-----BEGIN RSA PRIVATE KEY-----\nabc=\n-----END RSA PRIVATE KEY-----\n",
    webhook_secret="5ec2e7",
)  # fmt: skip


def make_flow(tmp_path, convert: Callable[[str], NewApp] = lambda code: APP, **changes) -> Flow:
    fields = {"out": tmp_path / "kw.env", "force": False, "api_url": "https://api.github.com"}
    return Flow(**{**fields, **changes}, convert=convert)


def test_a_callback_with_another_state_hands_nothing_in(tmp_path) -> None:
    codes: list[str] = []
    flow = make_flow(tmp_path, lambda code: codes.append(code) or APP)

    for state in ("", "x", flow.state[:-1], "ü"):
        with pytest.raises(FlowFault) as caught:
            flow.finish("code", state)
        assert caught.value.status == 403

    assert codes == []
    assert not flow.out.exists()


def test_the_states_of_two_runs_differ_and_cannot_be_guessed(tmp_path) -> None:
    states = {make_flow(tmp_path).state for _ in range(20)}
    assert len(states) == 20
    assert min(map(len, states)) >= 43  # 256 bits


def test_a_second_callback_changes_nothing(tmp_path) -> None:
    flow = make_flow(tmp_path)
    flow.finish("code", flow.state)
    before = flow.out.read_bytes()

    with pytest.raises(FlowFault) as caught:
        flow.finish("another", flow.state)

    assert caught.value.status == 409
    assert flow.out.read_bytes() == before


def test_of_two_callbacks_at_once_one_hands_in_its_code(tmp_path) -> None:
    codes: list[str] = []
    both = threading.Barrier(2)

    def convert(code: str) -> NewApp:
        codes.append(code)
        return APP

    flow = make_flow(tmp_path, convert)

    def finish(code: str) -> int:
        both.wait()
        try:
            flow.finish(code, flow.state)
        except FlowFault as fault:
            return fault.status
        return 200

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(finish, ("a", "b"))) == [200, 409]
    assert len(codes) == 1


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (NotFound(404, "Not Found"), 410, "an hour"),
        (GitHubUnavailable(502, "down"), 502, "reload"),
    ],
)
def test_a_code_that_is_not_taken_leaves_the_flow_open(tmp_path, error, status, word) -> None:
    answers: list[Exception | None] = [error, None]

    def convert(code: str) -> NewApp:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return APP

    flow = make_flow(tmp_path, convert)
    with pytest.raises(FlowFault) as caught:
        flow.finish("code", flow.state)
    assert caught.value.status == status
    assert word in str(caught.value)

    assert flow.finish("code", flow.state) is APP


def test_an_app_whose_file_cannot_be_written_is_named_with_its_page(tmp_path) -> None:
    flow = make_flow(tmp_path)
    flow.out.write_text("somebody was quicker")

    with pytest.raises(FlowFault) as caught:
        flow.finish("code", flow.state)

    assert caught.value.status == 500
    assert APP.html_url in str(caught.value)
    assert flow.out.read_text() == "somebody was quicker"
    assert flow.app is None


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("url", {"service_url": ""}),
        ("url", {"service_url": "kernels.example.com"}),
        ("url", {"service_url": "http://kernels.example.com"}),
        ("url", {"service_url": "https://u:p@kernels.example.com"}),
        ("url", {"service_url": "https://kernels.example.com/?a=b"}),
        ("url", {"service_url": "https://[kernels"}),
        ("url", {"service_url": "https://kernels.example.com:port"}),
        ("url", {"service_url": "http://localhost:8080"}),
        ("url", {"service_url": "https://127.0.0.1"}),
        ("name", {"name": "k" * 35}),
        ("organization", {"organization": "../settings"}),
        ("organization", {"organization": "octo org"}),
    ],
)
def test_refuses_what_github_could_not_use(field: str, values: dict[str, str]) -> None:
    good = {"name": "kw", "organization": "", "service_url": "https://kernels.example.com"}
    with pytest.raises(PlanFault) as caught:
        make_plan(**{**good, **values}, github_url="https://github.com")
    assert caught.value.field == field


def test_the_manifest_asks_for_what_the_service_needs_and_no_more() -> None:
    plan = make_plan(" ", "octo-org", "https://k.example.com/webhook", "https://github.com")
    manifest = json.loads(manifest_json(plan, "http://127.0.0.1:5/x/created"))

    assert manifest == {
        "name": "kernelwright",
        "url": "https://k.example.com",
        "description": "Writes GPU kernels for issues labelled kernel-request.",
        "hook_attributes": {"url": "https://k.example.com/webhook", "active": True},
        "redirect_url": "http://127.0.0.1:5/x/created",
        "public": False,
        "default_permissions": {
            "actions": "write",
            "checks": "write",
            "contents": "write",
            "issues": "write",
            "metadata": "read",
            "pull_requests": "write",
        },
        "default_events": ["issues", "issue_comment", "pull_request_review", "workflow_run"],
    }
    assert creation_url(plan, "https://github.com", "s/&") == (
        "https://github.com/organizations/octo-org/settings/apps/new?state=s%2F%26"
    )


def answered(github, page: str) -> str:
    """What a browser with GitHub's form open is sent back to."""
    manifest = unescape(re.search(r'name="manifest" value="([^"]*)"', page)[1])
    action = unescape(re.search(r'method="post" action="([^"]*)"', page)[1])
    asked = httpx.post(action, data={"manifest": manifest}, trust_env=False)
    assert asked.status_code == 200, asked.text
    fields = {
        "manifest": manifest, "owner": "ada", "name": "kernelwright",
        "state": parse_qs(urlsplit(action).query)["state"][0],
    }  # fmt: skip
    url = f"{github.base_url}/settings/apps/manifests"
    return httpx.post(url, data=fields, trust_env=False).headers["location"]


def test_the_page_keeps_to_itself(setup_command, github) -> None:
    running = setup_command("--url", "http://127.0.0.1:8080")
    with httpx.Client(trust_env=False) as browser:
        page = browser.get(running.url)
        root = running.url.rsplit("/", 2)[0]

        assert page.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert "<script" not in page.text
        # Without the path that the terminal shows there is nothing to see, and no way in.
        assert browser.get(root + "/").status_code == 404
        assert browser.get(root + "/created?code=c&state=s").status_code == 404
        rebound = browser.get(running.url, headers={"Host": "evil.example"})
        assert rebound.status_code == 400
        assert browser.get(running.url + "created?code=c&state=s").status_code == 403
        assert not running.out.exists()


def test_a_code_older_than_an_hour_is_told_and_a_new_one_works(setup_command, github) -> None:
    running = setup_command("--url", "http://127.0.0.1:8080")
    with httpx.Client(trust_env=False, timeout=20) as browser:
        page = browser.get(running.url).text
        late = answered(github, page)
        clock, github.hub.state.clock = github.hub.state.clock, lambda: clock() + timedelta(hours=2)
        try:
            assert browser.get(late).status_code == 410
        finally:
            github.hub.state.clock = clock
        assert not running.out.exists()

        done = browser.get(answered(github, page))
    assert done.status_code == 200
    text = running.out.read_text()
    for secret in (github.webhook_secret, github.private_key_pem.splitlines()[1]):
        assert secret in text
        assert secret not in done.text
    code, printed = running.end()
    assert code == 0
    assert github.webhook_secret not in printed


def test_ending_it_early_writes_nothing(setup_command) -> None:
    running = setup_command()
    running.process.terminate()
    running.process.wait(timeout=20)
    assert running.process.returncode != 0
    assert not running.out.exists()
