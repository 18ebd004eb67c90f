"""Who is asking: App JWTs, installation tokens and people's tokens.

Owns the App's key pair and every token given out. Refuses expired, forged and unknown ones with
the message that GitHub gives. Knows nothing of routes or roles.
"""

from __future__ import annotations

import functools
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.standin.state import Account, State

_JWT_MAX_S = 600
INSTALLATION_TOKEN_LIFETIME = timedelta(hours=1)


class Unauthorized(Exception):
    """No usable credential; the message is GitHub's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who makes a request. `app` may only do what a JWT may; the others act on repositories."""

    account: Account
    kind: Literal["app", "installation", "user", "anonymous"]


@functools.cache
def _private_key() -> rsa.RSAPrivateKey:
    """One key a process: making one takes up to half a second, and nobody here needs another."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Authority:
    """The App's identity and the tokens of everybody."""

    def __init__(self, state: State, *, app_id: int, installation_id: int) -> None:
        self._state = state
        self.app_id = app_id
        self.installation_id = installation_id
        key = _private_key()
        self.private_key_pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ).decode()
        self._public_key = key.public_key()
        self.is_installed = True  # False: no token of the installation works, or is given out
        self._users: dict[str, Account] = {}
        self._installation_tokens: dict[str, datetime] = {}

    def user_token(self, account: Account) -> str:
        """A personal token for somebody who acts in a test or in the demo."""
        token = f"ghp_{secrets.token_hex(18)}"
        self._users[token] = account
        return token

    def installation_token(self) -> tuple[str, datetime]:
        """A fresh token of the installation, and when it expires.

        In the long form that GitHub gives out now: code that assumes 40 characters must fail here.
        """
        claims = {"iss": "standin", "sub": str(self.installation_id), "jti": secrets.token_hex(16)}
        expires_at = self._state.clock() + INSTALLATION_TOKEN_LIFETIME
        token = "ghs_" + jwt.encode(claims, secrets.token_bytes(32), algorithm="HS256")
        self._installation_tokens[token] = expires_at
        return token, expires_at

    def expire_installation_tokens(self) -> None:
        """End every installation token given out so far, as an hour would."""
        for token in self._installation_tokens:
            self._installation_tokens[token] = self._state.clock() - timedelta(seconds=1)

    def actor(self, authorization: str | None) -> Actor:
        """Whose header this is. Raises `Unauthorized`; no header at all is an anonymous reader."""
        if authorization is None:
            return Actor(account=Account(id=0, login="anonymous"), kind="anonymous")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in ("bearer", "token"):
            raise Unauthorized("Bad credentials")
        if token in self._users:
            return Actor(account=self._users[token], kind="user")
        if token in self._installation_tokens:
            if not self.is_installed or self._installation_tokens[token] <= self._state.clock():
                raise Unauthorized("Bad credentials")
            return Actor(account=self._state.bot, kind="installation")
        if scheme.lower() == "bearer" and token.count(".") == 2 and not token.startswith("ghs_"):
            self._check_app_jwt(token)
            return Actor(account=self._state.bot, kind="app")
        raise Unauthorized("Bad credentials")

    def _check_app_jwt(self, token: str) -> None:
        try:
            claims = jwt.decode(
                token,
                self._public_key,
                algorithms=["RS256"],
                options={"require": ["iat", "exp", "iss"], "verify_iss": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("'Expiration time' claim ('exp') must be in the future") from error
        except jwt.InvalidTokenError as error:
            raise Unauthorized("A JSON web token could not be decoded") from error
        if str(claims["iss"]) != str(self.app_id):
            raise Unauthorized("Integration not found")
        now_s = datetime.now(UTC).timestamp()
        if float(claims["exp"]) - now_s > _JWT_MAX_S:
            raise Unauthorized("'Expiration time' claim ('exp') is too far in the future")
