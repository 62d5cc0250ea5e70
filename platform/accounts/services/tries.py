"""Tries of something that is limited before anybody is known: counted by the database's own function."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import connection


def try_count(*, subject: str, most: int, window_seconds: int, now: datetime) -> datetime | None:
    """Count one try of `subject` in its window; None while it is allowed, else when the next one is.

    To be called outside of a database transaction that may be rolled back: a refused try has to count.
    """
    digest = hashlib.sha256(subject.encode()).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT locked_until FROM accounts_sign_in_try(%s, %s, %s, %s)", [digest, most, now, window_seconds]
        )
        locked_until: datetime | None = cursor.fetchone()[0]
    return locked_until
