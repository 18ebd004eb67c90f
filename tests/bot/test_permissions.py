"""Who may trigger a run."""

from __future__ import annotations

import pytest

from bot.permissions import Role, may_trigger


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
def test_write_access_decides(role_name: str, permission: str, allowed: bool) -> None:
    assert may_trigger(Role(role_name=role_name, permission=permission)) is allowed
