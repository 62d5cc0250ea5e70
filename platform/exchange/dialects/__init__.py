"""Dialects: how a wish is put into a counterparty's words and its answer into ours. One folder each, the same files."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from exchange.dialects.native.codec import NativeDialect
from exchange.messages import Original, Outbound, Reply, Wish
from exchange.states import CallKind


class Dialect(Protocol):
    def build(
        self, kind: CallKind, wish: Wish, *, msgid: str, not_after: datetime, original: Original | None = None
    ) -> Outbound:
        """The message for a wish, or about the `original` act of one. Raises what building it raises."""

    def read(self, kind: CallKind, wish: Wish, *, msgid: str, body: bytes, original: Original | None = None) -> Reply:
        """What a verified answer means. Never raises for anything that a counterparty can send."""


DIALECTS: dict[str, Dialect] = {"native": NativeDialect()}
