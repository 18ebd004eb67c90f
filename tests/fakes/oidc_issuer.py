"""An OIDC issuer in memory: keys of its own, and tokens with any claim and any header."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://issuer.example"
AUDIENCE = "kernelwright"
RUN_ID = 4_100_000_777
REPOSITORY_ID = 4_100_000_001
WORKFLOW_REF = ".github/workflows/generate.yml@refs/heads/main"


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for each name: making one is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def job_claims(**changes: Any) -> dict[str, Any]:
    """What GitHub says of the job; a claim that is changed to None is left out."""
    now_s = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "repo:octo/kernels:ref:refs/heads/main",
        "repository": "octo/kernels",
        "repository_id": str(REPOSITORY_ID),
        "workflow_ref": f"octo/kernels/{WORKFLOW_REF}",
        "event_name": "workflow_dispatch",
        "run_id": str(RUN_ID),
        "run_attempt": "1",
        "iat": now_s,
        "nbf": now_s - 300,
        "exp": now_s + 300,
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def signed(key: str = "one", key_id: str | None = "one", **changes: Any) -> str:
    """A token, signed as GitHub signs."""
    headers = {"kid": key_id} if key_id else {}
    return jwt.encode(job_claims(**changes), rsa_key(key), algorithm="RS256", headers=headers)


def forged(header: dict[str, Any], secret: bytes = b"", **changes: Any) -> str:
    """A token with that header; its signature is an HMAC with `secret`, or nothing."""

    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    text = part(header) + b"." + part(job_claims(**changes))
    mac = hmac.new(secret, text, hashlib.sha256).digest() if secret else b""
    return (text + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def public_pem(name: str) -> bytes:
    return (
        rsa_key(name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def jwk(name: str, key: Any = None, **changes: Any) -> dict[str, Any]:
    """The public half of a key as the issuer lists it."""
    public = (key or rsa_key(name)).public_key()
    row = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public))
    return {**row, "kid": name, "use": "sig", "alg": "RS256", **changes}


@dataclass
class Keys:
    """The issuer's key set. `fault` is raised instead; `asked` counts."""

    rows: list[dict[str, Any]] = field(default_factory=lambda: [jwk("one")])
    fault: Exception | None = None
    asked: int = 0

    async def __call__(self) -> bytes:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return json.dumps({"keys": self.rows}).encode()
