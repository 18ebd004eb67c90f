"""The webhook: how GitHub has it configured, what became of the last deliveries, who answers there.

Owns the one request to the service's own public address: a signed `ping`, which starts nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import httpx

from bot.doctor.finding import Finding
from bot.github_api.inspection import DeliveryFacts, HookFacts
from bot.webhook import sign

SUBJECT = "service"
_TIMEOUT_S = 10.0  # as long as GitHub waits
_PING = b'{"zen":"Anything added dilutes everything else."}'
_REMEDIES = {
    401: "give the App's webhook settings and KERNELWRIGHT_WEBHOOK_SECRET the same secret",
    404: "let the webhook's address end in /webhook, and the proxy pass that path on",
    405: "let the webhook's address end in /webhook, and the proxy pass that path on",
    413: "let the proxy take bodies of 25 MB",
}
_NO_ANSWER = "let the address be reached from GitHub: DNS, firewall, proxy, certificate"
_BROKEN = "look into the service's log and the proxy's: the service must run and answer in 10 s"


def configuration(hook: HookFacts, app_url: str) -> Finding:
    """What GitHub has been told."""
    where = f"in the App's settings ({app_url})"
    faults = []
    if not hook.url:
        faults.append(("no address is set", f"set the webhook's URL {where}"))
    if hook.content_type != "json":
        faults.append((f"sends {hook.content_type}", f"choose application/json {where}"))
    if not hook.is_signed:
        faults.append(("deliveries are not signed", f"set the webhook's secret {where}"))
    if faults:
        return Finding(
            subject=SUBJECT,
            name="webhook",
            state="failed",
            detail="; ".join(fault for fault, _ in faults),
            remedy="; ".join(remedy for _, remedy in faults),
        )
    if hook.url.startswith("https://") and not hook.checks_certificates:
        return Finding(
            subject=SUBJECT,
            name="webhook",
            state="note",
            detail=f"{hook.url}, whose certificate GitHub does not check",
            remedy=f"enable SSL verification {where}",
        )
    return Finding(subject=SUBJECT, name="webhook", state="ok", detail=hook.url)


def deliveries(found: Sequence[DeliveryFacts]) -> Finding:
    """What became of the last deliveries; the newest decides."""
    failed = [each for each in found if not 200 <= each.status_code < 300]
    if not found:
        detail = "none so far"
        return Finding(subject=SUBJECT, name="deliveries", state="note", detail=detail)
    if not failed:
        detail = f"the last {len(found)} arrived"
        return Finding(subject=SUBJECT, name="deliveries", state="ok", detail=detail)
    codes = Counter(_answer(each) for each in failed)
    told = ", ".join(f"{answer} ({count} times)" for answer, count in codes.most_common())
    detail = f"{len(failed)} of the last {len(found)} failed: {told}"
    if failed[0] is not found[0]:
        detail += f"; the newest arrived ({found[0].delivered_at})"
        return Finding(subject=SUBJECT, name="deliveries", state="note", detail=detail)
    remedy = _remedy(failed[0].status_code)
    return Finding(subject=SUBJECT, name="deliveries", state="failed", detail=detail, remedy=remedy)


def reachable(url: str, secret: str) -> Finding:
    """Whether our service, with our secret, answers at the webhook's address."""
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "ping",
        "X-Hub-Signature-256": sign(_PING, secret),
    }
    try:
        answer = httpx.post(url, content=_PING, headers=headers, timeout=_TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"{url} does not answer from here: {type(error).__name__}: {error}"
        return Finding(
            subject=SUBJECT, name="reachable", state="failed", detail=detail, remedy=_NO_ANSWER
        )
    if answer.status_code == 204:
        detail = "a signed ping came through, so the service has this secret"
        return Finding(subject=SUBJECT, name="reachable", state="ok", detail=detail)
    remedy = _remedy(answer.status_code)
    if answer.status_code == 401:
        remedy = "restart the service with these settings: the one that answers has another secret"
    detail = f"{url} answers {answer.status_code} to a signed ping, not 204"
    return Finding(subject=SUBJECT, name="reachable", state="failed", detail=detail, remedy=remedy)


def _answer(each: DeliveryFacts) -> str:
    return str(each.status_code) if each.status_code else each.status


def _remedy(status_code: int) -> str:
    if status_code == 0:
        return _NO_ANSWER
    return _REMEDIES.get(status_code, _BROKEN)
