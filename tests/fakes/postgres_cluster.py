"""A private PostgreSQL server: its own cluster in a temporary folder, on a free loopback port.

Uses the programs of the machine's PostgreSQL (Debian package postgresql), and no server that runs.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg

MISSING = "needs PostgreSQL's programs (Debian package postgresql)"
_START_S = 30.0
_USER = "kernelwright"


def programs() -> Path | None:
    """The folder with initdb and postgres, or None."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


class Cluster:
    """A running server. `durable` leaves fsync on, which only a measurement needs."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._count = 0

    def create_database(self) -> str:
        """The URL of a new, empty database."""
        self._count += 1
        name = f"test_{self._count}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as session:
            session.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return self._url(name)

    def end_sessions(self, application_name: str) -> int:
        """Cut the sessions of that name off, as a restart of the server would; how many."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as session:
            query = (
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
            )
            return len(session.execute(query, (application_name,)).fetchall())

    def _url(self, database: str) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"


@contextmanager
def running(*, durable: bool = False) -> Iterator[Cluster]:
    """A server, for as long as the block runs."""
    folder = programs()
    assert folder is not None, MISSING
    # Not under pytest's own folder, which only its owner may enter; and short, for the socket.
    root = Path(tempfile.mkdtemp(prefix="kw-pg-"))
    owner = _owner()
    os.chown(root, owner.pw_uid, owner.pw_gid)
    identity = {"user": owner.pw_uid, "group": owner.pw_gid} if os.getuid() == 0 else {}
    data = root / "data"
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    initdb = [folder / "initdb", "-D", data, "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(
        [*map(str, initdb), "--locale=C"],
        check=True, cwd=root, stdout=subprocess.DEVNULL, **identity,
    )  # fmt: skip
    settings = {
        "port": port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": root,
        "fsync": "on" if durable else "off",
        "max_connections": 200,
    }
    command = [str(folder / "postgres"), "-D", str(data)]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=root, stdout=log, stderr=log, **identity)
    try:
        cluster = Cluster(root, port)
        _await(cluster, server, root / "log")
        yield cluster
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(root, ignore_errors=True)


def _owner() -> pwd.struct_passwd:
    """Who owns the server: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    names = {user.pw_name for user in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


def _await(cluster: Cluster, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s and server.poll() is None:
        try:
            psycopg.connect(cluster._url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
