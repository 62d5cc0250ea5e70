"""A cancel of a settled wish, and a fee settled anew for its rest: a cancel, then a settle that waits for it."""

from __future__ import annotations

from uuid import UUID

from core.ids import uuid7
from exchange.models import Resettlement
from exchange.selectors.transactions import BillWish
from exchange.services.guards import ReferenceUnknown, cancel_check
from exchange.services.wishes import Batch, Received, Way, WishDraft, wish_row, wish_store
from exchange.states import OperationClass


def cancel_admit(draft: WishDraft, way: Way, batch: Batch, bill_id: UUID | None, wishes: list[BillWish]) -> Received:
    """A cancel of a settled wish; of a resettle also the settle for the rest, which waits for the cancel."""
    original = next((wish for wish in wishes if wish.his_no == draft.of), None)
    if original is None:
        raise ReferenceUnknown(member="of", other=draft.of)
    cancel_check(original, wishes, interface_id=way.interface_id, now=batch.now)
    cancel = wish_row(draft, way, batch, his_no=draft.his_no, bill_id=bill_id)
    cancel.of_id, cancel.operation, cancel.operation_class = original.id, "cancel", OperationClass.UNDOES
    cancel.total_minor = None
    batch.fresh.append((cancel, way.lane_id))
    received = wish_store(draft, cancel, batch, wishes)
    if draft.operation == "cancel":
        return received
    rest = wish_row(draft, way, batch, his_no=draft.answered_as, bill_id=bill_id)
    rest.operation, rest.operation_class, rest.replaces_id = "settle", OperationClass.MOVES, original.id
    batch.waiting.append(rest)
    batch.sagas.append(
        Resettlement(
            id=uuid7(batch.now),
            organisation_id=draft.organisation_id,
            cancel_id=cancel.pk,
            rest_id=rest.pk,
            created_at=batch.now,
        )
    )
    # The key's answer is the rest's.
    batch.claims.pop()
    return wish_store(draft, rest, batch, wishes)
