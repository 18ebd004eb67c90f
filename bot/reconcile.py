"""Mending what got lost between GitHub and the service.

Owns three searches: webhook deliveries that failed, which GitHub sends again; labels that nobody
told us of; runs that go on although their request has ended. Each act is safe to repeat, and each
replica may try: a search has the number of its time slot as its identity.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from bot.config_file import fetch_config
from bot.dispatch import WORKFLOW
from bot.errors import GitHubError
from bot.github_api import GitHub, HookDelivery, Installed, Labelling
from bot.handlers import find_request_id
from bot.labels import STATE_LABELS
from bot.records import Delivery, Request, Start
from bot.steps import StepCrashed, Steps
from bot.tools import Tools

log = logging.getLogger(__name__)
RECONCILE_STEPS = ("redeliver", "list_repositories", "search_repository")
# GitHub keeps deliveries for three days.
HORIZON_S = 3 * 24 * 3600.0
# What is younger may still be on its way.
GRACE_S = 60.0
MAX_TRIES = 5


class Known(Protocol):
    """What the search asks of the service's memory."""

    def request(self, request_id: str) -> Request | None: ...
    def latest(self, repository: str, issue_number: int) -> Request | None: ...
    def was_told(self, repository: str, start: Start, since_s: float) -> bool: ...
    def accept(self, delivery: Delivery) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search over everything that the App is installed in."""

    steps: Steps
    tools: Tools
    known: Known
    grace_s: float = GRACE_S

    def run(self) -> None:
        """All three searches. What fails is logged; the next slot tries again."""
        try:
            resent_s = self.steps.run("redeliver", self._redeliver, list)
            names = self.steps.run("list_repositories", self._repositories, list)
            for full_name, installation_id in names:
                place = Installed(full_name=full_name, installation_id=installation_id)
                for delivery in self._search(place, resent_s):
                    self.known.accept(delivery)
        except StepCrashed:
            log.exception("the search for what got lost has failed")

    def _redeliver(self) -> list[float]:
        """When the deliveries that are now sent again were made first, as Unix times."""
        tries = self.tools.app.hook_deliveries(self.tools.now_s() - HORIZON_S)
        lost = failed(tries)
        for delivery in lost:
            log.warning("delivery %s failed (%s): again", delivery.guid, delivery.status)
            self.tools.app.redeliver(delivery.id)
        guids = {delivery.guid for delivery in lost}
        return [min(one.at_s for one in tries if one.guid == guid) for guid in sorted(guids)]

    def _repositories(self) -> list[tuple[str, int]]:
        return [(each.full_name, each.installation_id) for each in self.tools.app.repositories()]

    def _search(self, place: Installed, resent_s: list[float]) -> list[Delivery]:
        """The deliveries that should have come from one repository."""
        rows = self.steps.run("search_repository", lambda: self._look(place, resent_s), list)
        return [Delivery.model_validate(row) for row in rows]

    def _look(self, place: Installed, resent_s: list[float]) -> list[dict[str, object]]:
        github = self.tools.github(place.full_name, place.installation_id)
        try:
            self._end_orphans(github)
            found = self._missed_labels(github, place, resent_s)
        except GitHubError as error:
            # One repository that cannot be read must not hide the others.
            log.warning("%s cannot be searched: %s", place.full_name, error)
            return []
        return [delivery.model_dump(mode="json") for delivery in found]

    def _end_orphans(self, github: GitHub) -> None:
        for run in github.unfinished_runs(WORKFLOW):
            request_id = find_request_id(run.title)
            request = self.known.request(request_id) if request_id else None
            # One that is unknown may be another service's.
            if request is not None and request.ended is not None:
                log.warning("run %s goes on after its request's end: cancelled", run.id)
                github.cancel_run(run.id)

    def _missed_labels(
        self, github: GitHub, place: Installed, resent_s: list[float]
    ) -> list[Delivery]:
        label = fetch_config(github).label
        found = []
        for number in github.open_issues(label):
            missed = unanswered(github.labellings(number), label)
            if missed is None:
                continue
            start = Start(issue_number=number, sender=missed.actor, label=label)
            # Sent again a moment ago: what does not arrive is seen by the next search.
            is_resent = any(abs(at_s - missed.at_s) <= GRACE_S for at_s in resent_s)
            if is_resent or not self._is_missed(place.full_name, start, missed):
                continue
            log.warning("%s#%s was labelled and nobody told us", place.full_name, number)
            found.append(
                Delivery(
                    delivery_id=f"missed-{missed.event_id}",
                    repository=place.full_name,
                    installation_id=place.installation_id,
                    decision=start,
                )
            )
        return found

    def _is_missed(self, repository: str, start: Start, labelling: Labelling) -> bool:
        age_s = self.tools.now_s() - labelling.at_s
        if not self.grace_s <= age_s <= HORIZON_S or labelling.actor == self.tools.login:
            return False
        since_s = labelling.at_s - 1.0  # GitHub's times are whole seconds
        latest = self.known.latest(repository, start.issue_number)
        if latest is not None and (latest.ended is None or latest.opened_s >= since_s):
            return False
        # What was refused made no request, and was answered all the same: nobody is told twice.
        return not self.known.was_told(repository, start, since_s)


def unanswered(labellings: list[Labelling], label: str) -> Labelling | None:
    """The last time that `label` was put on, unless a label of ours shows that it was seen."""
    asked = [index for index, one in enumerate(labellings) if one.label == label]
    if not asked:
        return None
    later = labellings[asked[-1] + 1 :]
    return None if any(one.label in STATE_LABELS for one in later) else labellings[asked[-1]]


def failed(deliveries: list[HookDelivery]) -> list[HookDelivery]:
    """The newest try of each delivery that no try got through, while there is hope."""
    by_guid: dict[str, list[HookDelivery]] = {}
    for delivery in deliveries:
        by_guid.setdefault(delivery.guid, []).append(delivery)
    return [
        max(tries, key=lambda one: one.at_s)
        for tries in by_guid.values()
        if len(tries) < MAX_TRIES and not any(200 <= one.status < 300 for one in tries)
    ]
