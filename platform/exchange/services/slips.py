"""A paper for the patient whose bill is pending: made once per transaction, its token is random."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from core.bulk import rows_insert_new
from core.errors import Conflict, NotFound
from exchange.models import Slip, Transaction
from exchange.services.guards import shown_row
from exchange.states import OPEN, OperationClass


class NothingPending(Conflict):
    code = "nothing_pending"
    title = "There is nothing to wait for"
    detail = "{his_no} is {state}: a slip is for what is pending."
    detail_zh = "{his_no} 当前为 {state}；待查凭条仅用于尚未有结果的交易。"
    fix = "Print the verdict in place of a slip: GET the transaction."
    fix_zh = "请查询该交易并打印其结果。"


@dataclass(frozen=True, slots=True)
class SlipFacts:
    """What is printed: for the patient and the hospital's own desk. `total_minor` in minor units of `currency`."""

    token: str
    his_no: str
    hospital: str
    hospital_zh: str
    visit_no: str
    bill_no: str
    total_minor: int | None
    currency: str
    received_at: datetime
    time_zone: str


def slip_give(*, organisation_id: int, his_no: str, now: datetime) -> SlipFacts:
    """The slip of a transaction, made while it is pending; printed again also later. Raises NotFound, NothingPending.

    The caller has said whom it sees.
    """
    rows = Transaction.objects.select_related("bill", "organisation")
    row = rows.filter(organisation_id=organisation_id, his_no=his_no).first()
    if row is None:
        raise NotFound(noun="transaction", noun_zh="交易", key=his_no[:80])
    slip = Slip.objects.filter(transaction=row).first()
    if slip is None:
        if row.state not in OPEN or row.operation_class == OperationClass.READS:
            raise NothingPending(extra=shown_row(row), his_no=his_no, state=row.state)
        slip = Slip(
            token=secrets.token_urlsafe(32), organisation_id=organisation_id, transaction_id=row.pk, created_at=now
        )
        if not rows_insert_new([slip], returning="token"):
            # Another till printed it in the same moment.
            slip = Slip.objects.get(transaction=row)
    return SlipFacts(
        token=slip.token,
        his_no=row.his_no,
        hospital=row.organisation.name,
        hospital_zh=row.organisation.name_zh,
        visit_no=row.bill.visit_no if row.bill else "",
        bill_no=row.bill.bill_no if row.bill else "",
        total_minor=row.total_minor,
        currency=row.currency,
        received_at=row.received_at,
        time_zone=row.organisation.time_zone,
    )
