"""The one fence between a portal's pages and the rows: whatever a page shows went through `scoped`.

Row-level security stands behind it and holds alone if this one is ever forgotten; a test takes it away and looks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db.models import Model, QuerySet

from accounts.selectors import organisations_seen_by
from core.models import Transition
from core.row_security import EVERYTHING

if TYPE_CHECKING:
    from accounts.models import User

Organisations = Iterable[int] | str


def organisations_of(user: User) -> Organisations:
    """The organisations whose rows the user's pages may show; EVERYTHING for the platform's staff."""
    return organisations_seen_by(user=user)


def scoped[Row: Model](rows: QuerySet[Row], *, user: User) -> QuerySet[Row]:
    """Those of `rows` that belong to the user's organisations."""
    seen = organisations_of(user)
    return rows if seen == EVERYTHING else rows.filter(organisation_id__in=seen)


def state_history(*, entity: str, entity_id: Any, user: User) -> QuerySet[Transition]:
    """Every state change of one row of table `entity`, oldest first."""
    rows = Transition.objects.filter(entity=entity, entity_id=str(entity_id)).order_by("version", "id")
    return scoped(rows, user=user)
