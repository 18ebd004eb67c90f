"""The settings file that `setup` leaves: dotenv lines with the App's id, key and webhook secret.

Owns its form and how it comes to be on the disk: readable by its owner alone from the first byte,
whole or not at all, and never in the place of another file unless that is asked for.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from bot.errors import SettingsError
from bot.github_api.conversion import NewApp

_MODE = 0o600
_DEFAULT_API_URL = "https://api.github.com"


def check_target(path: Path, *, force: bool) -> None:
    """Refuse what `write_settings` would refuse, before an App is made whose key would be lost."""
    if not path.parent.is_dir():
        raise SettingsError(f"there is no folder {path.parent}: make it, or choose another --out")
    if path.is_dir():
        raise SettingsError(f"{path} is a folder: name a file with --out")
    if not os.access(path.parent, os.W_OK):
        raise SettingsError(f"the folder {path.parent} cannot be written to: choose another --out")
    if os.path.lexists(path) and not force:
        raise SettingsError(f"{path} exists: --force overwrites it, --out names another file")


def settings_text(app: NewApp, api_url: str) -> str:
    """The file. No value is quoted: Docker's --env-file would take the quotes as part of it."""
    values = {
        "APP_ID": str(app.app_id),
        "WEBHOOK_SECRET": _on_one_line(app.webhook_secret),
        # One line, as `bot.settings` reads it: a dotenv value ends with its line.
        "PRIVATE_KEY": _on_one_line(app.private_key_pem.strip().replace("\n", "\\n")),
    }
    if api_url != _DEFAULT_API_URL:
        values["GITHUB_API_URL"] = api_url
    lines = [f"KERNELWRIGHT_{name}={value}" for name, value in values.items()]
    about = (
        f"# GitHub App {app.slug}: {app.html_url}\n# Keep this file to yourself: it is the App.\n"
    )
    return about + "\n".join(lines) + "\n"


def write_settings(path: Path, text: str, *, force: bool) -> None:
    """Write the file with mode 0600. Raises SettingsError; then `path` is as it was before."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        # O_EXCL: nobody can have put a file, or a link, there before us.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  # a descriptor
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            # link refuses an existing name in the same step in which it would make it.
            place: Callable[[Path, Path], object] = os.replace if force else os.link
            place(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError as error:
        raise SettingsError(f"{path} exists: --force overwrites it") from error
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error.strerror}") from error


def _on_one_line(value: str) -> str:
    """`value`, if a line of dotenv keeps it: nothing to unquote, to cut off or to expand."""
    if not value.isascii() or not value.isprintable() or any(c in "\"'#$`" for c in value):
        raise SettingsError(
            "a value in GitHub's answer does not fit into a line of a settings file"
        )
    return value
