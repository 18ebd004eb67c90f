"""The OIDC issuer of Actions jobs: its keys, and a token for a job that may have one.

Owns the issuer's key pair and who may ask. A job asks with the secret that its runner gave it; the
token says which run that is, in GitHub's own claims, and is signed as GitHub signs.
"""

from __future__ import annotations

import functools
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from bot.standin.state import Repository, WorkflowRun

ROOT = "/_oidc"
KEY_ID = "standin-1"
LIFETIME_S = 300
_TOKEN = f"{ROOT}/token"


@functools.cache
def _private_key() -> rsa.RSAPrivateKey:
    """One key a process, as for the App: making one takes up to half a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(slots=True, kw_only=True, eq=False)
class Issuer:
    """`base` is the stand-in's URL once it serves."""

    base: str = ""
    _jobs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.base}{ROOT}"

    def admit(self, repo: Repository, run: WorkflowRun) -> dict[str, str]:
        """What a job with `id-token: write` finds in its environment, until `dismiss`."""
        secret = secrets.token_urlsafe(32)
        self._jobs[secret] = claims_of(repo, run)
        return {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.base}{_TOKEN}?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": secret,
        }

    def dismiss(self, environment: Mapping[str, str]) -> None:
        """The job is over: its secret is good for nothing now."""
        self._jobs.pop(environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", ""), None)

    def token(self, secret: str, audience: str) -> str | None:
        """A token for the job that holds `secret`; None for anybody else."""
        claims = self._jobs.get(secret)
        return None if claims is None else self.sign({**claims, "aud": audience})

    def sign(self, claims: Mapping[str, Any]) -> str:
        """`claims` with the issuer and GitHub's times, where they have none of their own."""
        now_s = int(time.time())
        frame = {
            "iss": self.url,
            "jti": secrets.token_hex(16),
            "iat": now_s,
            "nbf": now_s - LIFETIME_S,
            "exp": now_s + LIFETIME_S,
        }
        return jwt.encode(
            {**frame, **claims}, _private_key(), algorithm="RS256", headers={"kid": KEY_ID}
        )

    def keys(self) -> dict[str, Any]:
        """The public half, as a JSON Web Key Set."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_private_key().public_key()))
        return {"keys": [{**key, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}

    def add_routes(self, app: FastAPI) -> None:
        """The key set, and where a job asks for a token."""

        @app.get(f"{ROOT}/.well-known/jwks")
        def jwks() -> dict[str, Any]:
            return self.keys()

        @app.get(_TOKEN)
        def token(request: Request, audience: str = "") -> JSONResponse:
            secret = request.headers.get("authorization", "").removeprefix("Bearer ")
            value = self.token(secret, audience or self.base)
            if value is None:
                return JSONResponse({"message": "Unauthorized"}, status_code=401)
            return JSONResponse({"count": len(value), "value": value})


def claims_of(repo: Repository, run: WorkflowRun) -> dict[str, Any]:
    """What GitHub says of a run in its tokens; ids are decimal strings there."""
    ref = f"refs/heads/{run.head_branch}"
    workflow = f"{repo.full_name}/.github/workflows/{run.workflow_file}@{ref}"
    return {
        "sub": f"repo:{repo.full_name}:ref:{ref}",
        "repository": repo.full_name,
        "repository_id": str(repo.id),
        "repository_owner": repo.owner.login,
        "repository_owner_id": str(repo.owner.id),
        "repository_visibility": "public",
        "ref": ref,
        "ref_type": "branch",
        "sha": run.head_sha,
        "workflow": run.name,
        "workflow_ref": workflow,
        "workflow_sha": run.head_sha,
        "job_workflow_ref": workflow,
        "job_workflow_sha": run.head_sha,
        "event_name": "workflow_dispatch",
        "actor": run.actor.login,
        "actor_id": str(run.actor.id),
        "run_id": str(run.id),
        "run_number": str(run.number),
        "run_attempt": "1",
        "runner_environment": "self-hosted",
    }
