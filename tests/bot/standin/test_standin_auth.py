"""Credentials: who is let in as whom, and which ones are turned away."""

from __future__ import annotations

import time
from typing import Any

import github
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.standin import Person, Repository, StandIn


def app_jwt(standin: StandIn, key: Any = None, **claims: Any) -> str:
    now = int(time.time())
    payload = {"iat": now - 60, "exp": now + 300, "iss": str(standin.app_id), **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, key or standin.private_key_pem, algorithm="RS256")


def get(standin: StandIn, path: str, token: str | None, scheme: str = "Bearer") -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
    return httpx.get(standin.base_url + path, headers=headers, trust_env=False)


def test_the_app_is_known_by_its_signed_token(standin: StandIn) -> None:
    answer = get(standin, "/app", app_jwt(standin))
    assert answer.status_code == 200
    assert answer.json()["slug"] == "kernelwright"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1_000_000_000}, "must be in the future"),
        ({"exp": 4_000_000_000}, "too far in the future"),
        ({"exp": None}, "could not be decoded"),
        ({"iss": "7"}, "Integration not found"),
    ],
)
def test_turns_away_a_token_with_wrong_claims(
    standin: StandIn, claims: dict[str, Any], reason: str
) -> None:
    answer = get(standin, "/app", app_jwt(standin, **claims))
    assert answer.status_code == 401
    assert reason in answer.json()["message"]


def test_turns_away_a_token_signed_with_another_key(standin: StandIn) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert get(standin, "/app", app_jwt(standin, key=other)).status_code == 401


@pytest.mark.parametrize(("token", "scheme"), [("nonsense", "Bearer"), ("x", "Basic"), ("x", "x")])
def test_turns_away_what_is_no_token(standin: StandIn, token: str, scheme: str) -> None:
    assert get(standin, "/app", token, scheme).status_code == 401


def test_an_installation_token_is_long_and_ends(
    standin: StandIn, repository: Repository, app: github.Github
) -> None:
    assert app.get_repo("octo/kernels").full_name == "octo/kernels"
    token = app.requester.auth.token
    assert token.startswith("ghs_")
    assert len(token) > 100
    standin.hub.authority.expire_installation_tokens()
    assert get(standin, "/repos/octo/kernels", token, "token").status_code == 401


def test_the_app_itself_cannot_act_on_a_repository(
    standin: StandIn, repository: Repository
) -> None:
    assert get(standin, "/repos/octo/kernels", app_jwt(standin)).status_code == 401


def test_an_installation_token_is_not_the_app(
    standin: StandIn, repository: Repository, app: github.Github
) -> None:
    app.get_repo("octo/kernels")
    assert get(standin, "/app", app.requester.auth.token).status_code == 401


def test_an_anonymous_reader_reads_and_cannot_write(
    standin: StandIn, repository: Repository
) -> None:
    assert get(standin, "/repos/octo/kernels", None).status_code == 200
    url = f"{standin.base_url}/repos/octo/kernels/issues"
    assert httpx.post(url, json={"title": "x"}, trust_env=False).status_code == 401


@pytest.mark.parametrize(
    ("role", "permission"),
    [
        ("read", "read"),
        ("triage", "read"),
        ("write", "write"),
        ("maintain", "write"),
        ("admin", "admin"),
    ],
)
def test_tells_the_role_apart_from_the_older_permission(
    standin: StandIn, repository: Repository, app: github.Github, role: Any, permission: str
) -> None:
    standin.person("grace", repository, role)
    repo = app.get_repo("octo/kernels")
    assert repo.get_collaborator_role_name("grace") == role
    assert repo.get_collaborator_permission("grace") == permission


def test_a_stranger_may_read_and_nobody_is_not_found(
    standin: StandIn, repository: Repository, app: github.Github, ada: Person
) -> None:
    repo = app.get_repo("octo/kernels")
    standin.hub.state.account("stranger")
    assert repo.get_collaborator_role_name("stranger") == "read"
    with pytest.raises(github.UnknownObjectException):
        repo.get_collaborator_permission("nobody")
