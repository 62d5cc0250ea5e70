"""Row locks of the ledger, always in this order: balances by account, then holds by id.

Books are locked by triggers: shared by every posting until its commit, exclusively by the closing of a period.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from ledger.models import AccountBalance, Hold


def balances_lock(account_ids: Iterable[int]) -> dict[int, AccountBalance]:
    """The balance rows of these limited accounts, locked in account order until the transaction ends."""
    wanted = set(account_ids)
    if not wanted:
        return {}
    rows = AccountBalance.objects.select_for_update().filter(account_id__in=wanted).order_by("account_id")
    return {row.account_id: row for row in rows}


def holds_lock(hold_ids: Iterable[UUID]) -> dict[UUID, Hold]:
    """These holds, locked in id order. Lock the balances of their accounts first."""
    rows = Hold.objects.select_for_update(of=("self",)).select_related("account").filter(pk__in=set(hold_ids))
    return {row.pk: row for row in rows.order_by("pk")}
