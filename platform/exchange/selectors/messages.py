"""The middleware log: every message to and from insurers, found by its columns, opened and masked for the eye."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from core.crypto import SealBroken, unseal
from core.row_security import EVERYTHING
from exchange.masking import masked, masked_body, masked_text, personal_values
from exchange.models import Call, Transaction
from exchange.persons import person_index_of
from exchange.selectors.transactions import body_context

Organisations = Iterable[int] | str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuery:
    """What is looked for; whatever is empty does not narrow. `insurer` is an insurer's or interface's code.

    `since` (included) and `until` (excluded) bound the moment of arming. `outcome` may be `none`: still unanswered.
    `person` is `{id_type, id_no}` or `{credential}` as hospitals send it; only its blind index is compared.
    """

    msgid: str = ""
    his_no: str = ""
    trace_id: str = ""
    insurer: str = ""
    kind: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None
    person: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """One direction of a message: headers and pretty-printed body, masked. `sealed_away`: the key for it is gone."""

    headers: Mapping[str, str]
    body: str
    sealed_away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One Call as people may see it. Times are aware; `elapsed_ms` is the whole time on the network."""

    kind: str
    msgid: str
    insurer: str
    interface: str
    armed_at: datetime
    send_before: datetime
    not_after: datetime
    deadline: datetime
    outcome: str | None
    outcome_at: datetime | None
    outcome_reason: str
    http_status: int | None
    elapsed_ms: int | None
    request: Wire
    answer: Wire | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for an API's answer."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePath:
    """HIS -> listener -> worker -> insurer -> back: what the hospital asked, and every message that followed."""

    wish: Wire
    messages: tuple[Message, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for an API's answer."""
        return asdict(self)


def messages_find(*, organisations: Organisations, query: MessageQuery, now: datetime) -> QuerySet[Call]:
    """The calls of `organisations` that fit `query`, newest first, their transactions and interfaces at hand."""
    wanted = {
        "msgid": query.msgid,
        "transaction__his_no": query.his_no,
        "transaction__trace_id": query.trace_id,
        "kind": query.kind,
        "armed_at__gte": query.since,
        "armed_at__lt": query.until,
    }
    rows = _calls(organisations).filter(**{name: value for name, value in wanted.items() if value})
    if query.insurer:
        rows = rows.filter(Q(interface__code=query.insurer) | Q(interface__insurer__code=query.insurer))
    if query.outcome:
        rows = rows.filter(outcome__isnull=True) if query.outcome == "none" else rows.filter(outcome=query.outcome)
    if query.person is not None:
        rows = rows.filter(transaction__person_index=person_index_of(query.person, now=now))
    return rows.order_by("-armed_at", "-pk")


def message_path(*, transaction: Transaction, organisations: Organisations) -> MessagePath:
    """The whole way of one transaction, oldest message first, everything personal hidden."""
    wish, known = _wish(transaction)
    calls = _calls(organisations).filter(transaction=transaction).order_by("armed_at", "pk")
    return MessagePath(wish=wish, messages=tuple(_message(call, known) for call in calls))


def _calls(organisations: Organisations) -> QuerySet[Call]:
    rows = Call.objects.select_related("transaction", "interface__insurer")
    return rows if organisations == EVERYTHING else rows.filter(organisation_id__in=organisations)


def _wish(transaction: Transaction) -> tuple[Wire, frozenset[str]]:
    """What the hospital sent, and the personal values in it, which other messages may repeat anywhere."""
    try:
        # The context is `services.receive.body_context`; selectors import no service.
        body = json.loads(unseal(transaction.sealed_body, context=body_context(transaction.pk)))
    except SealBroken:
        return Wire({}, "", sealed_away=True), frozenset()
    known = personal_values(body)
    return Wire({}, json.dumps(masked(body, known=known), ensure_ascii=False, indent=2)), known


def _message(call: Call, known: Collection[str]) -> Message:
    return Message(
        kind=call.kind,
        msgid=call.msgid,
        insurer=call.interface.insurer.code,
        interface=call.interface.code,
        armed_at=call.armed_at,
        send_before=call.send_before,
        not_after=call.not_after,
        deadline=call.deadline,
        outcome=call.outcome,
        outcome_at=call.outcome_at,
        outcome_reason=masked_text(call.outcome_reason, known=known),
        http_status=call.http_status,
        elapsed_ms=call.elapsed_ms,
        request=_wire(call, call.sealed_request, "request", known),
        answer=None if call.sealed_answer is None else _wire(call, call.sealed_answer, "answer", known),
    )


def _wire(call: Call, sealed: bytes | memoryview[int], direction: str, known: Collection[str]) -> Wire:
    try:
        plain = unseal(bytes(sealed), context=f"call:{call.pk}:{direction}")
    except SealBroken:
        return Wire({}, "", sealed_away=True)
    headers, _, body = plain.partition(b"\n")
    return Wire(masked(json.loads(headers), known=known), masked_body(body, known=known))
