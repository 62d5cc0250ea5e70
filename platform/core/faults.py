"""Faults told without the data they met: a database's own words quote the row, and rows hold people."""

from __future__ import annotations

import traceback

from django.db import InterfaceError, OperationalError

FRAMES = 4
# SQLSTATE classes: connection exceptions, and the server's own end (PostgreSQL manual, appendix A).
LOST = ("08", "57P")


def fault_told(error: BaseException) -> str:
    """Kind of the error, the database's code and constraint, and the innermost places: fit for logs and reasons."""
    cause = error.__cause__ if error.__cause__ is not None else error
    diagnostics = getattr(cause, "diag", None)
    told = [type(error).__name__]
    if diagnostics is not None:
        told += [str(name) for name in (diagnostics.sqlstate, diagnostics.constraint_name) if name]
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    told += [f"at {frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames)]
    return " ".join(told)


def database_lost(error: BaseException) -> bool:
    """Whether the connection is gone, so that nothing more can be done with it.

    A lock that was waited for too long, a deadlock or a statement over its time are errors of one statement: the
    connection lives, and other rows can go on. They come with a code of the server; a line that broke comes without.
    """
    if not isinstance(error, OperationalError):
        return isinstance(error, InterfaceError)
    code = getattr(error.__cause__, "sqlstate", None)
    return code is None or code.startswith(LOST)
