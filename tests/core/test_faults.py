"""Faults: told without the data they met, and a lost line told from a statement that failed."""

from __future__ import annotations

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from core.faults import database_lost, fault_told
from tests.roles import rows


def caught(*statements: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as found, transaction.atomic():  # noqa: PT012
        for statement in statements:
            rows(statement)
    return found.value


@pytest.mark.django_db
def test_a_fault_is_told_without_the_rows_own_words() -> None:
    error = caught("CREATE TEMP TABLE person (name text CHECK (name = ''))", "INSERT INTO person VALUES ('张三')")
    assert isinstance(error, IntegrityError)
    assert "张三" in str(error)
    told = fault_told(error)
    assert "张三" not in told
    assert told.startswith("IntegrityError 23514 person_name_check at ")


@pytest.mark.django_db
def test_a_statement_over_its_time_is_no_lost_line() -> None:
    error = caught("SET LOCAL statement_timeout = '20ms'", "SELECT pg_sleep(5)")
    assert isinstance(error, OperationalError)
    assert not database_lost(error)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_server_ends_is_lost_at_once() -> None:
    # The tests' login may end a connection, the role it has taken may not.
    assert database_lost(caught("SET ROLE NONE", "SELECT pg_terminate_backend(pg_backend_pid())"))


@pytest.mark.django_db(transaction=True)
def test_a_line_that_breaks_is_lost() -> None:
    rows("SELECT 1")
    assert isinstance(connection.connection, psycopg.Connection)
    connection.connection.close()
    with pytest.raises(Exception, match="closed") as found:
        rows("SELECT 1")
    assert database_lost(found.value)
    connection.close()
