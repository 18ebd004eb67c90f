"""One address in front of several services, as a proxy before replicas: each connection to the next
that answers."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

_CHUNK_BYTES = 1 << 16


class FrontDoor:
    """Listens on a free port and passes connections on, in turn."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._turns = itertools.cycle(ports)
        self._count = len(ports)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._pass_on, args=(caller,), daemon=True).start()

    def _pass_on(self, caller: socket.socket) -> None:
        with caller:
            for _ in range(self._count):
                try:
                    service = socket.create_connection(("127.0.0.1", next(self._turns)), timeout=5)
                except OSError:
                    continue
                with service:
                    service.settimeout(None)
                    back = threading.Thread(target=_pump, args=(service, caller), daemon=True)
                    back.start()
                    _pump(caller, service)
                    back.join()
                return


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Until `source` says no more; a service that was killed must not keep its caller waiting."""
    with suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
