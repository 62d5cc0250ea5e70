"""Staff sign-in by name and password: before it nobody is known, so it reads through the database's own functions."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.hashers import check_password, make_password
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.services.audit import NOBODY, audit_write
from accounts.services.tries import subject_digest, try_count
from accounts.services.users import PASSWORD_LIMIT_CHARACTERS, username_normalised
from accounts.states import OrganisationKind
from core.clock import database_now
from core.row_security import EVERYTHING, seen_by

WINDOW_SECONDS = 15 * 60
# Tries per window: of one name from one address, of one name from anywhere, of any name from one address. The pair is
# the tight one, so that a stranger elsewhere does not lock a person out.
MOST_TRIES = {"pair": 5, "name": 50, "address": 200}
LOCKED_UNTIL = "sign_in_locked_until"

_COLUMNS = (
    "id, password, username, display_name, organisation_id, roles, language, is_active, created_at, "
    "organisation_kind, organisation_suspended_at, sees"
)


class StaffBackend(BaseBackend):
    """Sign-in and sessions of portal users."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """The user, or None for a wrong name or password, a deactivated user or a suspended organisation alike.

        Raises PermissionDenied after too many tries and tells their end in `request.sign_in_locked_until`.
        """
        if username is None or password is None:
            return None
        now = database_now()
        name = username_normalised(username)
        address = str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""
        subjects = _subjects(name, address)
        locked_until, newly = _try(subjects, now)
        user = _user("accounts_user_for_sign_in(%s)", name)
        if locked_until is not None:
            # Once per lock: whoever goes on guessing must not fill the trail.
            if newly:
                _remember(user, "user.sign_in_locked", now, address)
            if request is not None:
                setattr(request, LOCKED_UNTIL, locked_until)
            raise PermissionDenied("too many tries")
        if not _password_fits(user, password):
            _remember(user, "user.sign_in_failed", now, address)
            return None
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT accounts_sign_in_passed(%s)", [[subject_digest(subject) for subject in subjects.values()]]
                )
            _remember(user, "user.signed_in", now, address)
        return user

    def get_user(self, user_id: int) -> User | None:
        """The user of a session, unless he or his organisation was stopped meanwhile."""
        return _user("accounts_user_for_session(%s)", user_id, only_live=True)


def _subjects(name: str, address: str) -> dict[str, str]:
    return {"pair": f"pair:{name}\0{address}", "name": f"name:{name}", "address": f"address:{address}"}


def _try(subjects: dict[str, str], now: datetime) -> tuple[datetime | None, bool]:
    """Until when signing in is locked, if it is, and whether it became so by this very try."""
    tried = [
        try_count(subject=subject, most=MOST_TRIES[kind], window_seconds=WINDOW_SECONDS, now=now)
        for kind, subject in subjects.items()
    ]
    ends = [locked_until for locked_until, _ in tried if locked_until is not None]
    return max(ends, default=None), any(newly for _, newly in tried)


def _user(function: str, argument: str | int, *, only_live: bool = False) -> User | None:
    with connection.cursor() as cursor:
        # The function's name is one of two literals above.
        cursor.execute(f"SELECT {_COLUMNS} FROM {function}", [argument])  # noqa: S608
        row = cursor.fetchone()
    if row is None:
        return None
    *values, kind, suspended_at, sees = row
    names = [name.strip() for name in _COLUMNS.split(",")][: len(values)]
    user = User.from_db("default", names, values)
    # A plain statement brings JSON as text, in which a role would be found inside a longer one.
    user.roles = json.loads(user.roles)
    user.organisations_seen = EVERYTHING if kind == OrganisationKind.PLATFORM else list(sees)
    user.is_stopped = suspended_at is not None or not user.is_active
    return None if only_live and user.is_stopped else user


def _password_fits(user: User | None, password: str) -> bool:
    if user is None or len(password) > PASSWORD_LIMIT_CHARACTERS:
        # Takes the time of a real check, so that the clock does not tell which names exist.
        make_password(password[:PASSWORD_LIMIT_CHARACTERS])
        return False
    return check_password(password, user.password) and not user.is_stopped


def _remember(user: User | None, action: str, now: datetime, address: str) -> None:
    """An unknown name is not written down: people type passwords there."""
    organisation_id = user.organisation_id if user else NOBODY
    name = user.username if user else ""
    with seen_by([organisation_id]):
        audit_write(
            actor=f"user:{name}" if name else "nobody",
            organisation_id=organisation_id,
            action=action,
            subject=name,
            details={"address": address},
            now=now,
        )
