"""Download of one artifact's zip, by GitHub's short-lived link.

Owns the size cap, which holds while reading, whatever size GitHub gives, and never sends the App's
token to the storage host.
"""

from __future__ import annotations

import urllib3

from bot.errors import GitHubError, GitHubUnavailable
from bot.github_api.connection import TIMEOUT_S
from bot.github_api.rest import Rest

_CHUNK_BYTES = 1 << 16


def download(rest: Rest, path: str, max_bytes: int) -> bytes:
    """The zip behind `path`. Raises GitHubError where it is larger than `max_bytes`."""
    headers, _ = rest.exchange("GET", path)
    link = str(headers.get("location") or "")
    if not link.startswith(("https://", "http://")):
        raise GitHubUnavailable(0, "GitHub gave no link to the artifact")
    # A link lives a minute and carries its own authority: no header of ours goes with it.
    pool = urllib3.PoolManager(timeout=TIMEOUT_S, retries=urllib3.Retry(3, backoff_factor=0.2))
    try:
        answer = pool.request("GET", link, preload_content=False)
        return _read(answer, max_bytes)
    except urllib3.exceptions.HTTPError as error:
        raise GitHubUnavailable(0, f"the artifact's download failed: {error}") from error
    finally:
        pool.clear()


def _read(answer: urllib3.BaseHTTPResponse, max_bytes: int) -> bytes:
    if answer.status != 200:
        # An expired link is mended by asking for a new one, which the next try does.
        raise GitHubUnavailable(answer.status, "the artifact's link does not work")
    content = bytearray()
    for chunk in answer.stream(_CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise too_large(max_bytes)
    return bytes(content)


def too_large(max_bytes: int) -> GitHubError:
    return GitHubError(413, f"the artifact is larger than {max_bytes} bytes")
