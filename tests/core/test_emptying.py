"""What a test has committed is gone before the next one."""

from __future__ import annotations

import pytest
from django.db import connection

from journal.models import Lane
from journal.selectors import PLATFORM_GROUP
from tests.emptying import KEPT, database_emptied, platform_lane_stands
from tests.exchange.house import make_house
from tests.roles import rows


def filled() -> set[str]:
    """Tables with rows, as the server's owner sees them, whom no row security holds."""
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE NONE")
        names = connection.introspection.table_names(cursor)
        found = {name for name in names if rows(f"SELECT 1 FROM {name} LIMIT 1")}
        cursor.execute("SET ROLE medisettle_owner")
    return found - KEPT


@pytest.mark.django_db(transaction=True)
def test_everything_committed_is_gone_however_it_is_fenced() -> None:
    make_house()
    written = filled()
    assert {"accounts_organisation", "accounts_auditentry", "exchange_insurerinterface", "journal_lane"} <= written

    assert database_emptied("default")

    assert filled() == set()
    platform_lane_stands()
    assert list(Lane.objects.values_list("code", flat=True)) == [PLATFORM_GROUP]


@pytest.mark.django_db(transaction=True)
def test_the_database_goes_on_refusing_as_before() -> None:
    make_house()
    database_emptied("default")

    assert rows("SHOW session_replication_role") == [("origin",)]
    assert rows("SELECT current_user::text") == [("medisettle_owner",)]
