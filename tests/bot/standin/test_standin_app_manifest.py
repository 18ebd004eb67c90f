"""The stand-in's side of the manifest flow: what its form refuses, and codes that are good once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.errors import NotFound
from bot.github_api.conversion import convert_manifest
from bot.standin import StandIn

MANIFEST: dict[str, Any] = {
    "name": "Octo <Kernels>",
    "url": "https://kernels.example.com",
    "hook_attributes": {"url": "https://kernels.example.com/webhook"},
    "redirect_url": "http://127.0.0.1:1/created?a=b",
    "default_permissions": {"issues": "write", "metadata": "read"},
    "default_events": ["issues"],
}


def post(standin: StandIn, path: str, **fields: str) -> httpx.Response:
    return httpx.post(standin.base_url + path, data=fields, trust_env=False)


def created(standin: StandIn, owner: str = "ada") -> dict[str, list[str]]:
    """What the browser brings back once the button is pressed."""
    fields = {"manifest": json.dumps(MANIFEST), "owner": owner, "name": MANIFEST["name"]}
    answer = post(standin, "/settings/apps/manifests", **fields, state="s/&=")
    assert answer.status_code == 302
    target = urlsplit(answer.headers["location"])
    assert target.netloc == "127.0.0.1:1"
    return parse_qs(target.query)


@pytest.mark.parametrize(
    ("path", "owner"),
    [("/settings/apps/new", "ada"), ("/organizations/octo-org/settings/apps/new", "octo-org")],
)
def test_shows_who_will_own_the_app(standin: StandIn, path: str, owner: str) -> None:
    page = post(standin, f"{path}?state=x", manifest=json.dumps(MANIFEST))
    assert page.status_code == 200
    assert f"Create GitHub App for {owner}" in page.text
    assert "Octo &lt;Kernels&gt;" in page.text
    assert 'name="state" value="x"' in page.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "k" * 35}, "too long"),
        ({"name": ""}, "too long"),
        ({"url": "kernels"}, "not a web address"),
        ({"hook_attributes": {}}, "not complete"),
        ({"redirect_url": "javascript:alert(1)"}, "not a web address"),
        ({"default_permissions": {"issues": "all", "metadata": "read"}}, "read, write and admin"),
        ({"default_events": ["issues", "workflow_run"]}, "workflow_run"),
        ({"default_events": ["frobnicate"]}, "frobnicate"),
    ],
)
def test_refuses_what_github_refuses(
    standin: StandIn, changes: dict[str, Any], reason: str
) -> None:
    text = json.dumps({**MANIFEST, **changes})
    page = post(standin, "/settings/apps/new", manifest=text)
    assert page.status_code == 422
    assert reason in page.text


@pytest.mark.parametrize("text", ["", "[]", "no JSON", "{}"])
def test_refuses_what_is_no_manifest(standin: StandIn, text: str) -> None:
    assert post(standin, "/settings/apps/new", manifest=text).status_code == 422


def test_the_state_comes_back_and_the_code_is_good_once(standin: StandIn) -> None:
    query = created(standin, owner="octo-org")
    assert query["state"] == ["s/&="]
    assert query["a"] == ["b"]
    (code,) = query["code"]

    app = convert_manifest(standin.base_url, code)

    assert (app.slug, app.owner) == ("octo-kernels", "octo-org")
    assert app.private_key_pem == standin.private_key_pem
    assert app.webhook_secret == standin.webhook_secret
    with pytest.raises(NotFound):
        convert_manifest(standin.base_url, code)
    with pytest.raises(NotFound):
        convert_manifest(standin.base_url, "../app")
    assert standin.violations == []


def test_a_code_ends_after_an_hour(standin: StandIn) -> None:
    (code,) = created(standin)["code"]
    clock = standin.hub.state.clock
    standin.hub.state.clock = lambda: clock() + timedelta(hours=1)
    with pytest.raises(NotFound):
        convert_manifest(standin.base_url, code)


def test_the_clock_of_the_answers_is_the_stand_ins_own(standin: StandIn) -> None:
    clock = standin.hub.state.clock
    standin.hub.state.clock = lambda: clock() + timedelta(days=300)
    answer = httpx.get(f"{standin.base_url}/meta", trust_env=False)
    shown = (clock() + timedelta(days=300)).strftime("%d %b %Y")
    assert shown in answer.headers["date"]
    assert len(answer.headers.get_list("date")) == 1
