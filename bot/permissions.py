"""Who may spend the GPU's time and have a branch written, and who may ask how things stand.

Owns those rules. The label does not decide them, and neither does `author_association`.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.config import AskersConfig

_BUILT_IN = frozenset({"none", "read", "triage", "write", "maintain", "admin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A person's access to a repository, as GitHub names it.

    `role_name` is a built-in role or an organisation's own; `permission` is the built-in level that
    it amounts to (`maintain` shows as `write`, `triage` as `read`).
    """

    role_name: str
    permission: str


def may_ask(login: str, role: Role, askers: AskersConfig) -> bool:
    """Whether `login` may start, change, cancel and verify: by name, by role, or by its level."""
    if login.lower() in {user.lower() for user in askers.users}:
        return True
    if role.role_name in askers.roles:
        return True
    return role.role_name not in _BUILT_IN and role.permission in askers.roles


def may_read(role: Role) -> bool:
    """Whether someone with `role` may be answered at all: they can read the repository."""
    return role.role_name != "none"
