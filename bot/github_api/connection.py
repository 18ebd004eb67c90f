"""The HTTP connection under PyGithub: one session, the bot's own retry, and no redirect followed.

Owns what PyGithub must not do by itself. Knows no path and no credential.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import urllib3
from github.Requester import (
    HTTPRequestsConnectionClass,
    HTTPSRequestsConnectionClass,
    RequestsResponse,
)

TIMEOUT_S = 30
Connection = HTTPRequestsConnectionClass | HTTPSRequestsConnectionClass


def _moved(response: RequestsResponse) -> RequestsResponse:
    # PyGithub follows a 301 without the query: of a renamed repository it would read a file at
    # another commit, and of a list its first 30 items. It leaves a 308 alone, which says the same.
    if response.status == 301:
        response.status = 308
    return response


class _Plain(HTTPRequestsConnectionClass):
    def getresponse(self) -> RequestsResponse:
        return _moved(super().getresponse())


class _Encrypted(HTTPSRequestsConnectionClass):
    def getresponse(self) -> RequestsResponse:
        return _moved(super().getresponse())


def connect(base_url: str, retry: urllib3.Retry) -> Connection:
    """A connection to the API's host. Redirects come back as the answers that they are."""
    parts = urlsplit(base_url)
    kind = _Encrypted if parts.scheme == "https" else _Plain
    return kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S, retry=retry)
