"""Tokens of Actions jobs: which are believed, and how often the issuer is asked for its keys."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import ModuleType
from typing import Any

import jwt
import pytest

from bot.errors import BadToken, KeysUnavailable
from bot.oidc import JobTokens, read_keys

HOUR_S, MINUTE_S = 3600.0, 60.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 5000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(oidc: ModuleType) -> Any:
    return oidc.Keys()


@pytest.fixture
def check(oidc: ModuleType, keys: Any, clock: Clock) -> Callable[[str], Any]:
    """The claims of a token, by one service that lives through the test."""
    tokens = JobTokens(issuer=oidc.ISSUER, audience=oidc.AUDIENCE, fetch=keys, now_s=clock)
    return lambda token: asyncio.run(tokens.claims(token))


def test_a_good_token_gives_its_claims_as_numbers(oidc: ModuleType, check: Any) -> None:
    claims = check(oidc.signed())

    assert (claims.run_id, claims.run_attempt) == (oidc.RUN_ID, 1)
    assert claims.repository_id == oidc.REPOSITORY_ID
    assert claims.workflow_ref.endswith("generate.yml@refs/heads/main")


@dataclass(frozen=True)
class Now:
    """So many seconds from when the token is made: rows are read long before they are used."""

    offset_s: int


def at_once(changes: dict[str, Any]) -> dict[str, Any]:
    """The rows' times as numbers."""
    return {
        name: int(time.time()) + value.offset_s if isinstance(value, Now) else value
        for name, value in changes.items()
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"aud": "somebody-else"}, "Audience"),
        ({"aud": None}, "aud"),
        ({"iss": "https://issuer.example.evil"}, "ssuer"),
        ({"iss": None}, "iss"),
        ({"exp": Now(-31)}, "expired"),
        ({"exp": None}, "exp"),
        ({"nbf": Now(90)}, "not yet valid"),
        ({"nbf": None}, "nbf"),
        ({"iat": Now(90)}, "not yet valid"),
        ({"iat": None}, "iat"),
        ({"run_id": None}, "run_id"),
        ({"run_id": "many"}, "run_id"),
        ({"run_id": "-1"}, "run_id"),
        ({"workflow_ref": None}, "workflow_ref"),
        ({"workflow_ref": "x" * 1000}, "workflow_ref"),
        ({"repository": {"name": "octo/kernels"}}, "repository"),
    ],
)
def test_a_claim_that_is_wrong_or_missing_is_refused(
    oidc: ModuleType, check: Any, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadToken, match=says):
        check(oidc.signed(**at_once(changes)))


@pytest.mark.parametrize("changes", [{"exp": Now(-10)}, {"nbf": Now(10), "iat": Now(10)}])
def test_clocks_may_differ_by_a_little(oidc: ModuleType, check: Any, changes: Any) -> None:
    assert check(oidc.signed(**at_once(changes))).run_id == oidc.RUN_ID


def test_a_list_of_audiences_with_ours_in_it_is_ours(oidc: ModuleType, check: Any) -> None:
    assert check(oidc.signed(aud=["other", oidc.AUDIENCE])).run_id == oidc.RUN_ID


def test_no_algorithm_but_the_issuers_own_is_believed(oidc: ModuleType, check: Any) -> None:
    check(oidc.signed())  # the keys are known, so that only the algorithm decides
    tokens = [
        oidc.forged({"alg": "none", "typ": "JWT", "kid": "one"}),
        oidc.forged({"alg": "None", "typ": "JWT", "kid": "one"}),
        oidc.forged({"alg": "HS256", "typ": "JWT", "kid": "one"}, oidc.public_pem("one")),
        # The header says RS256, the signature is an HMAC with the public key.
        oidc.forged({"alg": "RS256", "typ": "JWT", "kid": "one"}, oidc.public_pem("one")),
        oidc.forged({"alg": "RS256", "typ": "JWT", "kid": "one"}),
        oidc.forged({"alg": ["RS256"], "typ": "JWT", "kid": "one"}),
    ]

    for token in tokens:
        with pytest.raises(BadToken):
            check(token)


def test_another_strength_of_the_same_key_is_not_believed(oidc: ModuleType, check: Any) -> None:
    token = jwt.encode(
        oidc.job_claims(), oidc.rsa_key("one"), algorithm="RS512", headers={"kid": "one"}
    )
    with pytest.raises(BadToken):
        check(token)


def test_a_key_inside_the_token_is_not_used(oidc: ModuleType, check: Any, keys: Any) -> None:
    """`jwk` and `jku` in the header would let the token bring its own key."""
    headers = {"kid": "one", "jwk": oidc.jwk("two"), "jku": "https://evil.example/jwks"}
    token = jwt.encode(oidc.job_claims(), oidc.rsa_key("two"), algorithm="RS256", headers=headers)
    with pytest.raises(BadToken):
        check(token)
    assert keys.asked == 1


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b.c", "a.b", "é.é.é", "..", "e30.e30.e30", "x" * 5000, "a" * 2000 + ".b.c"],
)
def test_what_is_no_token_is_refused_without_asking_the_issuer(
    check: Any, keys: Any, token: str
) -> None:
    with pytest.raises(BadToken):
        check(token)
    assert keys.asked == 0


def test_a_token_that_names_no_key_is_refused(oidc: ModuleType, check: Any, keys: Any) -> None:
    with pytest.raises(BadToken):
        check(oidc.signed(key_id=None))
    assert keys.asked == 0


def test_keys_are_asked_for_once_an_hour(
    oidc: ModuleType, check: Any, keys: Any, clock: Clock
) -> None:
    for _ in range(50):
        check(oidc.signed())
    assert keys.asked == 1
    clock.now_s += HOUR_S
    check(oidc.signed())
    assert keys.asked == 2


def test_a_new_key_is_found_when_it_is_first_seen(
    oidc: ModuleType, check: Any, keys: Any, clock: Clock
) -> None:
    check(oidc.signed())
    keys.rows.append(oidc.jwk("two"))
    clock.now_s += MINUTE_S
    assert check(oidc.signed(key="two", key_id="two")).run_id == oidc.RUN_ID
    assert keys.asked == 2


def test_unknown_keys_make_no_flood_at_the_issuer(
    oidc: ModuleType, check: Any, keys: Any, clock: Clock
) -> None:
    check(oidc.signed())
    clock.now_s += MINUTE_S
    for number in range(100):
        with pytest.raises(BadToken, match="no such key"):
            check(oidc.signed(key_id=f"unknown-{number}"))
    assert keys.asked == 2


def test_a_key_that_was_withdrawn_counts_no_longer(
    oidc: ModuleType, check: Any, keys: Any, clock: Clock
) -> None:
    check(oidc.signed())
    keys.rows[:] = [oidc.jwk("two")]
    clock.now_s += HOUR_S
    with pytest.raises(BadToken, match="no such key"):
        check(oidc.signed())


def test_many_jobs_at_once_ask_the_issuer_once(oidc: ModuleType, clock: Clock) -> None:
    class Slow(oidc.Keys):  # type: ignore[misc,name-defined]
        async def __call__(self) -> bytes:
            await asyncio.sleep(0.01)
            return bytes(await super().__call__())

    keys = Slow()
    tokens = JobTokens(issuer=oidc.ISSUER, audience=oidc.AUDIENCE, fetch=keys, now_s=clock)

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(tokens.claims(oidc.signed()) for _ in range(20)))

    assert len(asyncio.run(all_at_once())) == 20
    assert keys.asked == 1


@pytest.mark.parametrize("fault", [KeysUnavailable("down"), ValueError("not a key set")])
def test_an_issuer_that_is_down_is_no_refusal(
    oidc: ModuleType, check: Any, keys: Any, clock: Clock, fault: Exception
) -> None:
    keys.fault = fault
    for _ in range(10):
        with pytest.raises(KeysUnavailable):
            check(oidc.signed())
    assert keys.asked == 1
    keys.fault = None
    clock.now_s += MINUTE_S
    assert check(oidc.signed()).run_id == oidc.RUN_ID


def test_the_last_keys_count_for_a_day_while_the_issuer_is_down(
    oidc: ModuleType, check: Any, keys: Any, clock: Clock
) -> None:
    check(oidc.signed())
    keys.fault = KeysUnavailable("slow")
    clock.now_s += 20 * HOUR_S
    assert check(oidc.signed()).run_id == oidc.RUN_ID
    # A key that was not known before cannot be judged now.
    with pytest.raises(KeysUnavailable):
        check(oidc.signed(key_id="unknown"))
    clock.now_s += 5 * HOUR_S
    with pytest.raises(KeysUnavailable):
        check(oidc.signed())


def test_only_sound_rsa_keys_are_taken_from_a_key_set(oidc: ModuleType) -> None:
    rows: list[Any] = [
        oidc.jwk("one"),
        oidc.jwk("small", oidc.rsa_key("small", 1024)),
        oidc.jwk("for-encryption", use="enc"),
        oidc.jwk("stronger", alg="RS512"),
        oidc.jwk("no-modulus", n="!"),
        {**oidc.jwk("nameless"), "kid": None},
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        "not a key",
    ]

    assert set(read_keys(json.dumps({"keys": rows}).encode())) == {"one"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 3}', '{"keys": []}', "[" * 100_000])
def test_what_is_no_key_set_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_keys(text.encode())


@pytest.mark.parametrize("answer", ["good", "moved", "error", "endless"])
def test_keys_come_over_http_without_redirects_and_within_limits(
    oidc: ModuleType, answer: str
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path in ("/.well-known/jwks", "/elsewhere")
            status = {"moved": 302, "error": 500}.get(answer, 200)
            good = json.dumps({"keys": [oidc.jwk("one")]}).encode()
            body = good + b" " * (1 << 20 if answer == "endless" else 0)
            self.send_response(200 if self.path == "/elsewhere" else status)
            if self.path != "/elsewhere" and answer == "moved":
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        issuer = f"http://127.0.0.1:{server.server_address[1]}"
        tokens = JobTokens(issuer=issuer, audience=oidc.AUDIENCE)
        token = oidc.signed(iss=issuer)
        if answer == "good":
            assert asyncio.run(tokens.claims(token)).run_id == oidc.RUN_ID
        else:
            with pytest.raises(KeysUnavailable):
                asyncio.run(tokens.claims(token))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
