"""Row locks of job A, in one order for everybody: jobs, then bills by their numbers, then transactions by id.

Plain SQL: these statements run for every batch, and Django would take longer to build them than PostgreSQL to run them.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection

from exchange.models import Transaction

BILLS = """
SELECT id FROM exchange_bill
WHERE id IN (SELECT bill_id FROM exchange_transaction WHERE id = ANY (%s))
ORDER BY organisation_id, visit_no COLLATE "C", bill_no COLLATE "C" FOR NO KEY UPDATE
"""
# The hospital's code rides along as `hospital_code`.
TRANSACTIONS = """
SELECT exchange_transaction.*, organisation.code AS hospital_code
FROM exchange_transaction JOIN accounts_organisation organisation ON organisation.id = organisation_id
WHERE exchange_transaction.id = ANY (%s) ORDER BY exchange_transaction.id FOR NO KEY UPDATE OF exchange_transaction
"""


def transactions_lock(transaction_ids: Sequence[UUID]) -> dict[UUID, Transaction]:
    """The transactions by id, locked until the commit."""
    return {row.pk: row for row in Transaction.objects.raw(TRANSACTIONS, [list(transaction_ids)])}


def bills_and_transactions_lock(transaction_ids: Sequence[UUID]) -> dict[UUID, Transaction]:
    """The same with the transactions' bills locked before them."""
    with connection.cursor() as cursor:
        cursor.execute(BILLS, [list(transaction_ids)])
    return transactions_lock(transaction_ids)
