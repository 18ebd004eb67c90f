"""Who may trigger a run, and who is answered."""

from __future__ import annotations

import pytest

from bot.config import AskersConfig
from bot.permissions import Role, may_ask, may_read


@pytest.mark.parametrize(
    ("role_name", "permission", "allowed"),
    [
        ("admin", "admin", True),
        ("maintain", "write", True),
        ("write", "write", True),
        ("triage", "read", False),
        ("read", "read", False),
        ("none", "none", False),
        # The role decides where it is a built-in one, whatever the level beside it says.
        ("read", "write", False),
        # An organisation's own roles are judged by the level that they amount to.
        ("release-engineer", "write", True),
        ("reader-plus", "read", False),
    ],
)
def test_write_access_decides_where_the_repository_says_nothing(
    role_name: str, permission: str, allowed: bool
) -> None:
    role = Role(role_name=role_name, permission=permission)
    assert may_ask("mona", role, AskersConfig()) is allowed


@pytest.mark.parametrize(
    ("role_name", "permission", "allowed"),
    [
        ("triage", "read", True),
        ("write", "write", False),
        ("admin", "admin", False),
        ("kernel author", "read", True),
        ("another", "read", False),
    ],
)
def test_the_repositorys_own_roles_take_the_place_of_the_default(
    role_name: str, permission: str, allowed: bool
) -> None:
    askers = AskersConfig(roles=("triage", "kernel author"))
    assert may_ask("mona", Role(role_name=role_name, permission=permission), askers) is allowed


def test_a_person_may_be_named_in_any_case_of_letters() -> None:
    askers = AskersConfig(users=("Mona-L",))
    reader = Role(role_name="read", permission="read")
    assert may_ask("mona-l", reader, askers)
    assert not may_ask("mona", reader, askers)


@pytest.mark.parametrize(("role_name", "answered"), [("none", False), ("read", True)])
def test_only_who_can_read_is_answered(role_name: str, answered: bool) -> None:
    assert may_read(Role(role_name=role_name, permission=role_name)) is answered
