"""A bill as its hospital is told it: the terms of one moment and the verdict of each wish, stored first."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from core.errors import NotFound
from exchange.locks import bill_hold
from exchange.selectors.bills import bill_report
from exchange.services.verdicts import answers_give


def bill_give(*, organisation_id: int, visit_no: str, bill_no: str, now: datetime) -> dict[str, Any]:
    """Everything on one bill. The bill of a visit without a number of its own goes by the visit's, or by none.

    Raises NotFound.
    """
    bill = bill_hold(organisation_id=organisation_id, visit_no=visit_no, bill_no=bill_no)
    if bill is None and bill_no == visit_no:
        bill = bill_hold(organisation_id=organisation_id, visit_no=visit_no, bill_no="")
    if bill is None:
        raise NotFound(noun="bill", noun_zh="账单", key=f"{visit_no}/{bill_no}" if bill_no else visit_no)
    report = bill_report(bill.pk, now=now)
    his_nos = [row.his_no for row in report.transactions]
    answers = answers_give(organisation_id=organisation_id, his_nos=his_nos, now=now)
    told = report.as_dict(now=now)
    told["transactions"] = [
        {**answer, **report.links_of(row)}
        for row, answer in zip(report.transactions, answers, strict=True)
        if not isinstance(answer, Exception)
    ]
    return told
