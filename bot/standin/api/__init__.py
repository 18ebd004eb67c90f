"""The REST routes that the stand-in serves: one table a module, put together in `ROUTES`."""

from __future__ import annotations

from bot.standin.api import actions, app, checks, git, hook, installations, issues, pulls
from bot.standin.api.call import Routes

ROUTES: Routes = {
    **app.ROUTES,
    **hook.ROUTES,
    **installations.ROUTES,
    **issues.ROUTES,
    **git.ROUTES,
    **pulls.ROUTES,
    **checks.ROUTES,
    **actions.ROUTES,
}
