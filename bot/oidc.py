"""Who is speaking: the OIDC token of a GitHub Actions job, checked to its claims.

Owns the issuer's keys (fetched, cached, fetched again when due) and the check of signature, issuer,
audience and times. Refuses every algorithm but RS256. What a job may say is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import jwt
import urllib3
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.errors import BadToken, KeysUnavailable

log = logging.getLogger(__name__)
ALGORITHM = "RS256"
# Clocks of the issuer, of the job's machine and of this one differ a little.
LEEWAY_S = 30.0
MAX_TOKEN_CHARS = 4096
_MIN_KEY_BITS = 2048
_MAX_KEYS_BYTES = 256 << 10
_FETCH_TIMEOUT_S = 5.0
_CHUNK_BYTES = 1 << 14
# The issuer changes its keys every few weeks and publishes them beforehand.
_FRESH_S = 3600.0
# While the issuer is down its last keys go on to count for this long.
_STALE_S = 24 * 3600.0
# Anyone can send a token with an unknown key's id: at most one look at the issuer for all of them.
_LOOK_AGAIN_S = 60.0

# Raises KeysUnavailable.
FetchKeys = Callable[[], Awaitable[bytes]]


class JobClaims(BaseModel):
    """What GitHub says of the job that shows the token. The names are GitHub's own."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    repository: Annotated[str, Field(max_length=200)]
    repository_id: Annotated[int, Field(gt=0)]  # a decimal string in the token
    workflow_ref: Annotated[str, Field(max_length=600)]
    event_name: Annotated[str, Field(max_length=100)]
    run_id: Annotated[int, Field(gt=0)]
    run_attempt: Annotated[int, Field(gt=0)]


class JobTokens:
    """Checks tokens of one issuer for one audience. To be used in one event loop."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        fetch: FetchKeys | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = _Keys(fetch or _fetch_from(issuer), now_s)

    async def claims(self, token: str) -> JobClaims:
        """The claims of a good token. Raises BadToken, or KeysUnavailable where it cannot tell."""
        key = await self._keys.find(_key_id(token))
        try:
            document = jwt.decode(
                token,
                key,
                # Never from the token: it would choose `none`, or HMAC with the public key.
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "nbf", "iat", "aud", "iss"]},
            )
            return JobClaims.model_validate(document)
        except jwt.InvalidTokenError as error:
            raise BadToken(str(error)) from error
        except ValidationError as error:
            missing = ", ".join(str(fault["loc"][0]) for fault in error.errors())
            raise BadToken(f"not a token of a workflow's job: {missing}") from error


def _key_id(token: str) -> str:
    """The id of the key that the token names. Raises BadToken where the head alone is wrong."""
    if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
        raise BadToken("no token")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise BadToken("not a token") from error
    key_id = header.get("kid")
    if header.get("alg") != ALGORITHM or not isinstance(key_id, str):
        raise BadToken(f"the token must be signed with {ALGORITHM} and name its key")
    return key_id


class _Keys:
    """The issuer's keys by id. One fetch at a time, however many tokens ask."""

    def __init__(self, fetch: FetchKeys, now_s: Callable[[], float]) -> None:
        self._fetch = fetch
        self._now_s = now_s
        self._by_id: dict[str, jwt.PyJWK] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK:
        """The key. Raises BadToken where the issuer has none of that id."""
        if not self._known(key_id):
            async with self._lock:
                # Someone else may have fetched them while this one waited.
                if not self._known(key_id) and self._may_look():
                    await self._refresh()
        key = self._by_id.get(key_id) if self._age_s() < _STALE_S else None
        if key is not None:
            return key
        if self._age_s() >= _FRESH_S:
            raise KeysUnavailable("the issuer's keys cannot be had")
        raise BadToken("the issuer has no such key")

    def _known(self, key_id: str) -> bool:
        return key_id in self._by_id and self._age_s() < _FRESH_S

    def _age_s(self) -> float:
        return float("inf") if self._fetched_s is None else self._now_s() - self._fetched_s

    def _may_look(self) -> bool:
        return self._tried_s is None or self._now_s() - self._tried_s >= _LOOK_AGAIN_S

    async def _refresh(self) -> None:
        self._tried_s = self._now_s()
        try:
            found = read_keys(await self._fetch())
        except (KeysUnavailable, ValueError) as error:
            log.warning("the OIDC issuer's keys cannot be had: %s", error)
            return
        self._by_id, self._fetched_s = found, self._tried_s


def read_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """The RSA keys for signatures in a JSON Web Key Set, by id; others are left out.

    Raises ValueError where it is no such set, or holds none that can be used.
    """
    try:
        listed = json.loads(document)["keys"]
        rows: list[Any] = [row for row in listed if isinstance(row, dict)]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a JSON Web Key Set") from error
    keys: dict[str, jwt.PyJWK] = {}
    for row in rows:
        usable = row.get("kty") == "RSA" and row.get("use", "sig") == "sig"
        if usable and isinstance(row.get("kid"), str) and row.get("alg", ALGORITHM) == ALGORITHM:
            try:
                key = jwt.PyJWK(row, algorithm=ALGORITHM)
            except jwt.PyJWTError:
                continue
            if getattr(key.key, "key_size", 0) >= _MIN_KEY_BITS and hasattr(key.key, "verify"):
                keys[row["kid"]] = key
    if not keys:
        raise ValueError("the key set holds no RSA key for signatures")
    return keys


def _fetch_from(issuer: str) -> FetchKeys:
    """Asks the issuer for its keys, where GitHub and GitHub Enterprise Server have them."""

    async def fetch() -> bytes:
        # One thread at the most: the caller holds a lock.
        return await run_in_threadpool(_fetch, f"{issuer}/.well-known/jwks")

    return fetch


def _fetch(url: str) -> bytes:
    pool = urllib3.PoolManager(timeout=_FETCH_TIMEOUT_S, retries=False)
    try:
        # Redirects are not followed: the address of the keys is part of what is trusted.
        answer = pool.request("GET", url, redirect=False, preload_content=False)
        if answer.status != 200:
            raise KeysUnavailable(f"the issuer answered {answer.status}")
        body = bytearray()
        for chunk in answer.stream(_CHUNK_BYTES):
            body += chunk
            if len(body) > _MAX_KEYS_BYTES:
                raise KeysUnavailable("the issuer's answer is too long")
        return bytes(body)
    except urllib3.exceptions.HTTPError as error:
        raise KeysUnavailable(str(error)) from error
    finally:
        pool.clear()
