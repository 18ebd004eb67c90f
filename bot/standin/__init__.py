"""A stand-in GitHub on this machine, for the demo and the tests.

Owns the REST endpoints that the service uses over real bare git repositories, signed webhooks,
workflow runs and readable pages. The service never imports it.
"""

from bot.standin.faults import Faults
from bot.standin.git_store import GitStore
from bot.standin.job import Job
from bot.standin.people import Inline, Person, Refused
from bot.standin.server import StandIn
from bot.standin.state import Repository
from bot.standin.webhooks import Delivery

__all__ = [
    "Delivery",
    "Faults",
    "GitStore",
    "Inline",
    "Job",
    "Person",
    "Refused",
    "Repository",
    "StandIn",
]
