"""Which listener is asked first, and which next."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import httpx2

BASE = "/api/his/v1/"


class Addresses:
    """A fixed set of listeners. Each name (a his_no) has its own order of all of them, whatever the order of the list.

    So a repeat, from any till, asks the same listener first; and when one is away, its work spreads over all others.
    """

    def __init__(self, addresses: Sequence[str]) -> None:
        """`addresses` like "http://10.1.0.7:8000". Raises ValueError."""
        self._all = tuple(dict.fromkeys(_checked(address) for address in addresses))
        if not self._all:
            raise ValueError("a client needs the address of at least one listener")
        self._resting: dict[str, float] = {}

    def order(self, name: str, *, now: float) -> list[str]:
        """All addresses, first choice first; those at rest come last. `now` in seconds of a monotonic clock."""
        ranked = sorted(self._all, key=lambda address: hashlib.sha256(f"{address} {name}".encode()).digest())
        return sorted(ranked, key=lambda address: self._resting.get(address, 0.0) > now)

    def rest(self, address: str, *, until: float) -> None:
        """Ask `address` last until then: nobody answered there."""
        self._resting[address] = until

    def wake(self, address: str) -> None:
        self._resting.pop(address, None)


def _checked(address: str) -> str:
    url = httpx2.URL(address)
    if url.scheme not in ("http", "https") or not url.host or url.path not in ("", "/") or url.query:
        raise ValueError(f"{address!r} is not the address of a listener: http(s)://host:port")
    return address.rstrip("/")
