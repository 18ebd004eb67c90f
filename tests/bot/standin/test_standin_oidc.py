"""The stand-in's OIDC issuer: who gets a token, what it says, and how it is signed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from bot.standin import Job, Person, Repository, StandIn

REQUEST_ID = "kw-0123456789abcdef"
PERMISSION = "    runs-on: [self-hosted, gpu]\n"


def ask(url: str, secret: str, audience: str = "us") -> httpx.Response:
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.get(f"{url}&audience={audience}", headers=headers, trust_env=False)


@pytest.fixture
def dispatched(
    standin: StandIn, repository: Repository, ada: Person, eventually: Callable[..., None]
) -> Callable[[str], dict[str, Any]]:
    """What a job saw of itself: its environment, and the answer to its asking for a token."""

    def run(permissions: str) -> dict[str, Any]:
        seen: dict[str, Any] = {}

        def job(job: Job) -> int:
            seen["env"] = dict(job.env)
            if "ACTIONS_ID_TOKEN_REQUEST_URL" in job.env:
                seen["answer"] = ask(
                    job.env["ACTIONS_ID_TOKEN_REQUEST_URL"],
                    job.env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
                )
            return 0

        path = ".github/workflows/generate.yml"
        head = repository.git.ref("refs/heads/main")
        assert head is not None
        text = (repository.git.read_file(head, path) or b"").decode()
        assert PERMISSION in text
        changed = text.replace(PERMISSION, PERMISSION + permissions)
        ada.push_commit("main", {path: changed.encode()}, "Permissions")
        standin.runs.command = job
        ada.request(
            "POST",
            "/actions/workflows/generate.yml/dispatches",
            {"ref": "main", "inputs": {"request": "{}", "request_id": REQUEST_ID}},
        )
        eventually(lambda: repository.runs and repository.runs[-1].status == "completed")
        return seen

    return run


def test_a_job_that_may_gets_a_token_that_says_which_run_it_is(
    standin: StandIn, repository: Repository, dispatched: Any
) -> None:
    seen = dispatched("    permissions: {id-token: write}\n")

    keys = httpx.get(f"{standin.issuer.url}/.well-known/jwks", trust_env=False).json()["keys"]
    token = seen["answer"].json()["value"]
    assert jwt.get_unverified_header(token)["kid"] == keys[0]["kid"]
    claims = jwt.decode(
        token,
        jwt.PyJWK(keys[0]),
        algorithms=["RS256"],
        audience="us",
        issuer=standin.issuer.url,
    )
    (run,) = repository.runs
    assert claims["run_id"] == str(run.id)
    assert claims["run_attempt"] == "1"
    assert claims["repository_id"] == str(repository.id)
    assert claims["workflow_ref"] == ("octo/kernels/.github/workflows/generate.yml@refs/heads/main")
    assert claims["event_name"] == "workflow_dispatch"
    assert claims["exp"] - time.time() < 600
    assert "d" not in keys[0]


@pytest.mark.parametrize(
    "permissions",
    ["", "    permissions: {contents: read}\n", "    permissions: write-all\n",
     "    permissions: {id-token: none}\n"],
)  # fmt: skip
def test_a_job_that_may_not_finds_nothing_in_its_environment(
    dispatched: Any, permissions: str
) -> None:
    seen = dispatched(permissions)
    assert seen["env"]["GITHUB_ACTIONS"] == "true"
    assert not [name for name in seen["env"] if name.startswith("ACTIONS_ID_TOKEN")]


def test_a_secret_that_nobody_was_given_gets_no_token(standin: StandIn) -> None:
    url = f"{standin.issuer.url}/token?api-version=2.0"
    assert ask(url, "guessed").status_code == 401
    assert httpx.get(url, trust_env=False).status_code == 401


def test_the_secret_is_good_for_nothing_once_the_job_is_over(dispatched: Any) -> None:
    env = dispatched("    permissions: {id-token: write}\n")["env"]
    late = ask(env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
    assert late.status_code == 401


def test_the_private_half_of_the_key_is_on_no_disk(
    standin: StandIn, dispatched: Any, tmp_path: Path
) -> None:
    dispatched("    permissions: {id-token: write}\n")
    texts = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in texts if b"PRIVATE KEY" in text]
