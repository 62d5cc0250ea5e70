"""Free TCP ports on loopback, reserved against other launchers of ours on the same machine."""

from __future__ import annotations

import random
import socket
import sys

# Below the range from which the kernel takes ports for outgoing connections: a server that comes back on its port
# would else find it taken by somebody's connection.
_FIRST, _LAST = 20000, 31999
_TRIES = 2000
# Held until this process ends. An abstract socket leaves no file and vanishes with its owner, however that ends.
_reservations: dict[int, socket.socket] = {}


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Without it a port stays "taken" for a minute after its server has gone.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def reserve(*ports: int) -> bool:
    """Take all of `ports` for this process, or none: False when one is in use or reserved by another launcher."""
    taken: dict[int, socket.socket] = {}
    for port in ports:
        held = _hold(port) if port not in _reservations and is_free(port) else None
        if held is None:
            for reservation in taken.values():
                reservation.close()
            return False
        taken[port] = held
    _reservations.update(taken)
    return True


def reserve_any(preferred: int | None = None) -> int:
    """A port for this process: `preferred` when it is free, else a random free one. Raises OSError."""
    if preferred is not None and reserve(preferred):
        return preferred
    for _ in range(_TRIES):
        port = random.randint(_FIRST, _LAST)
        if reserve(port):
            return port
    raise OSError(f"no free TCP port between {_FIRST} and {_LAST}")


def _hold(port: int) -> socket.socket | None:
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if sys.platform != "linux":
        return held
    try:
        held.bind(f"\0medisettle-port-{port}")
    except OSError:
        held.close()
        return None
    return held
