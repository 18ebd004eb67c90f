"""Routes of the App's webhook, and of the manifest flow that makes an App."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from bot.standin.api.call import ApiError, Call, Reply, Routes, created, ok
from bot.standin.registration import slug_of
from bot.standin.shapes import installations
from bot.standin.state import Account


def _as_app(call: Call) -> None:
    if call.actor.kind != "app":
        raise ApiError(401, "A JSON web token could not be decoded")


def get_config(call: Call) -> Reply:
    _as_app(call)
    hub = call.hub
    config = {
        "content_type": hub.registration.hook_content_type,
        "insecure_ssl": hub.registration.hook_insecure_ssl,
    }
    if hub.webhooks.url is not None:
        config["url"] = hub.webhooks.url
    if hub.registration.hook_is_signed:
        config["secret"] = "********"  # noqa: S105  # as GitHub shows that there is one
    return ok(config)


def list_deliveries(call: Call) -> Reply:
    """Newest first, paged by a cursor: the number of the last delivery that was shown."""
    _as_app(call)
    before = int(call.ask("cursor", "0"))
    log = [each for each in call.hub.webhooks.log if each.done.is_set()]
    done = [each for each in log if not before or each.number < before]
    shown = done[::-1][: int(call.ask("per_page", "30"))]
    headers = {}
    if len(shown) < len(done):
        query = urlencode({**dict(parse_qsl(call.query)), "cursor": shown[-1].number})
        headers["Link"] = f'<{call.base}{call.path}?{query}>; rel="next"'
    rows = [installations.delivery(each) for each in shown]
    return Reply(status=200, data=rows, headers=headers)


def redeliver(call: Call) -> Reply:
    """Send a delivery again under its own id; GitHub answers before it has."""
    _as_app(call)
    for each in call.hub.webhooks.log:
        if each.number == call.number("delivery_id"):
            call.hub.webhooks.redeliver(each)
            return Reply(status=202, data={})
    raise ApiError(404, "Not Found")


def convert(call: Call) -> Reply:
    """Hand an App over for the code of its manifest: from now on the stand-in's App is that one."""
    hub = call.hub
    manifest = hub.registration.redeem(call.param("code"), hub.state.clock())
    if manifest is None:
        raise ApiError(404, "Not Found")
    bot = hub.state.bot
    hub.state.accounts.pop(bot.login)
    bot.login = f"{slug_of(manifest.name)}[bot]"
    hub.state.accounts[bot.login] = bot
    hub.registration.permissions = manifest.permissions
    hub.registration.events = list(manifest.events)
    hub.webhooks.url = manifest.hook_url
    owner: Account = hub.state.account(manifest.owner)
    return created(
        {
            **hub.app_shape(owner),
            "client_id": "Iv1.0123456789abcdef",
            "client_secret": "standin-client-secret",
            "webhook_secret": hub.webhooks.secret,
            "pem": hub.authority.private_key_pem,
        }
    )


ROUTES: Routes = {
    ("GET", "/app/hook/config"): get_config,
    ("GET", "/app/hook/deliveries"): list_deliveries,
    ("POST", "/app/hook/deliveries/{delivery_id}/attempts"): redeliver,
    ("POST", "/app-manifests/{code}/conversions"): convert,
}
