"""Tries of something that is limited before anybody is known: counted by the database's own function."""

from __future__ import annotations

import hashlib
from datetime import datetime

from django.db import connection


def try_count(*, subject: str, most: int, window_seconds: int, now: datetime) -> tuple[datetime | None, bool]:
    """Count one try of `subject` in its window. Until when it is locked, None while it is allowed; and whether it
    became so by this very try.

    Only a digest of `subject` is kept: people type passwords as names. To be called outside of a database transaction
    that may be rolled back: a refused try has to count.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT locked_until, newly_locked FROM accounts_sign_in_try(%s, %s, %s, %s)",
            [subject_digest(subject), most, now, window_seconds],
        )
        locked_until, newly_locked = cursor.fetchone()
    return locked_until, newly_locked


def subject_digest(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()
