"""Who is asking, told to PostgreSQL: row-level security reads it from settings that live as long as the transaction.

Each table's policy is set by its own migration with the SQL function `core_protect` (migration core/0001).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection, transaction

EVERYTHING = "*"


def persons_see(person_ids: Iterable[UUID]) -> None:
    """Let the rest of this database transaction see what belongs to these persons: a patient, and whom he acts for.

    Raises RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("persons_see() needs an open transaction")
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('medisettle.persons', %s, true)", [",".join(map(str, person_ids))])


def organisations_see(organisation_ids: Iterable[int] | str) -> None:
    """Let the rest of this database transaction see the rows of `organisation_ids`, or of all with EVERYTHING.

    Raises RuntimeError outside a transaction: the setting would be gone before the first query.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("organisations_see() needs an open transaction")
    value = organisation_ids if isinstance(organisation_ids, str) else ",".join(map(str, organisation_ids))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('medisettle.organisations', %s, true)", [value])


@contextmanager
def seen_by(organisation_ids: Iterable[int] | str) -> Iterator[None]:
    """One atomic block in which only the rows of `organisation_ids` exist. Inside another one, that one's come back."""
    outer = _organisations_seen() if connection.in_atomic_block else None
    with transaction.atomic():
        organisations_see(organisation_ids)
        yield
    if outer is not None:
        # PostgreSQL keeps the setting to the end of the outermost transaction; a rollback resets it by itself.
        organisations_see(outer)


def _organisations_seen() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('medisettle.organisations', true), '')")
        return str(cursor.fetchone()[0])
