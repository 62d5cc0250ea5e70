"""Dialects: how a wish is put into a counterparty's words and its answer into ours. One folder each, the same files."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from exchange.dialects.native.codec import NativeDialect
from exchange.messages import Outbound, Reply, Wish
from exchange.states import CallKind


class Dialect(Protocol):
    def build(self, kind: CallKind, wish: Wish, *, msgid: str, not_after: datetime) -> Outbound:
        """The message for a wish. Raises CannotBuild when the wish lacks what this counterparty needs."""

    def read(self, kind: CallKind, wish: Wish, *, msgid: str, body: bytes) -> Reply:
        """What a verified answer means. Never raises for anything that a counterparty can send."""


DIALECTS: dict[str, Dialect] = {"native": NativeDialect()}
