"""The audit trail's one writer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection

NOBODY = 0
PLATFORM_ACTOR = "platform"

# Plain SQL, as Django's own INSERT reads the new id back, and an act of nobody may be written but not read.
_INSERT = """
    INSERT INTO accounts_auditentry (organisation_id, at, actor, action, subject, details, trace_id)
    VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s)
"""


def audit_write(
    *,
    actor: str,
    organisation_id: int,
    action: str,
    subject: str,
    now: datetime,
    details: Mapping[str, Any] | None = None,
    trace_id: str = "",
) -> None:
    """Remember that `actor` did `action` (`noun.verb`) to `subject`. No personal data, no secrets in `details`.

    `organisation_id` is whose act it was, NOBODY when that is not known. Stands or falls with the caller's database
    transaction. Raises django.db.ProgrammingError when role app writes for an organisation that it does not see.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT, [organisation_id, now, actor, action, subject, json.dumps(dict(details or {})), trace_id]
        )
