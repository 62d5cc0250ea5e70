"""What the desk's tests share: acts of the hospital and settled, refused or cash-paid fees, without a network."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from accounts.models import Organisation
from core.clock import database_now
from core.row_security import seen_by
from exchange.models import Transaction
from exchange.services.acts import ActDraft, Acted, act_apply
from exchange.services.receive import WishDraft
from tests.exchange.house import REGION, SCHEME, House, draft, fresh, move_insurer, received, work_off
from tests.exchange.peer import answering, peer
from tests.roles import as_role


def wish(house: House, his_no: str, **changes: Any) -> WishDraft:
    """A draft whose body names its insurance, as the listener's do."""
    more = changes.pop("body", {})
    one = draft(house, his_no, **changes)
    body = {**one.body, "insurance": {"scheme": SCHEME, "region": REGION}, **more}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    return draft(house, his_no, **{**changes, "body": body, "digest": digest})


def say(house: House, his_no: str, act: str, *, hospital: Organisation | None = None, **values: Any) -> Acted:
    """One act of the hospital, as the listener hands it on: role app, seeing its own rows."""
    organisation = hospital or house.hospital
    key = f"{act} {his_no} {json.dumps(values, sort_keys=True, default=str)}"
    one = ActDraft(
        organisation_id=organisation.pk,
        by="key:till",
        idempotency_key=key,
        digest=hashlib.sha256(key.encode()).digest(),
        act=act,
        his_no=his_no,
        values=values,
        trace_id="trace-of-the-desk",
    )
    with as_role("app"), seen_by([organisation.pk]):
        return act_apply(draft=one, now=database_now())


def cash_stands(house: House, his_no: str, *, paid_minor: int = 10000, **changes: Any) -> Transaction:
    """A fee that was paid in cash before it was sent: it ended NOT_SENT and the cash is the payment."""
    (row,) = received(wish(house, his_no, **changes))
    told: dict[str, Any] = {"self_paid_minor": paid_minor, "tender": "cash", "receipt_no": f"R-{his_no}"}
    assert say(house, his_no, "abandon", **told).problem is None
    return fresh(row)


def settle_by_answering(house: House, *his_nos: str, **changes: Any) -> list[Transaction]:
    """Fees of 100 yuan of which the insurer pays 80; returned as they are then."""
    stored = received(*(wish(house, his_no, **changes) for his_no in his_nos))
    with peer(answering()) as insurer:
        move_insurer(house, insurer.base_url)
        work_off(house)
    return [fresh(one) for one in stored]


LATER = timedelta(days=40)
