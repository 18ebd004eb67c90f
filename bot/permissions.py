"""Who may spend the GPU's time and have a branch written: people with write access.

Owns that one rule. The label does not decide it, and neither does `author_association`.
"""

from __future__ import annotations

from dataclasses import dataclass

_BUILT_IN = frozenset({"none", "read", "triage", "write", "maintain", "admin"})
_ALLOWED = frozenset({"write", "maintain", "admin"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A person's access to a repository, as GitHub names it.

    `role_name` is a built-in role or an organisation's own; `permission` is the built-in level that
    it amounts to (`maintain` shows as `write`, `triage` as `read`).
    """

    role_name: str
    permission: str


def may_trigger(role: Role) -> bool:
    """True for write, maintain and admin, and for an organisation's own role built on them."""
    if role.role_name in _BUILT_IN:
        return role.role_name in _ALLOWED
    return role.permission in _ALLOWED
