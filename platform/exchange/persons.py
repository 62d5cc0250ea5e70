"""How a person in a hospital's message is found again without being read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.crypto import blind_index


def person_index_of(person: Mapping[str, Any], *, now: datetime) -> bytes:
    """Blind index of the id (type and number, upper case), or of the credential where no id was given."""
    if person.get("id_no"):
        return blind_index(f"id:{person.get('id_type') or '01'}:{str(person['id_no']).strip().upper()}", now=now)
    return blind_index(f"credential:{person.get('credential') or ''}", now=now)
