"""Envelopes: how a message is signed and its answer verified. A profile per interface; this is the table of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from exchange.envelopes.hmac_envelope import HmacEnvelope
from exchange.messages import Facts


class Envelope(Protocol):
    def seal(self, body: bytes, *, facts: Facts, key_id: str, secret: bytes) -> dict[str, str]:
        """The headers under which `body` travels."""

    def open(
        self, body: bytes, headers: Mapping[str, str], *, facts: Facts, secrets: Mapping[str, bytes], now: datetime
    ) -> None:
        """Verify an answer to the message of `facts`. Raises EnvelopeBroken."""

    def accept(
        self, body: bytes, headers: Mapping[str, str], *, facts: Facts, secrets: Mapping[str, bytes], now: datetime
    ) -> None:
        """Verify a message that the counterparty began. Raises MessageRefused."""


ENVELOPES: dict[str, Envelope] = {"hmac": HmacEnvelope()}
