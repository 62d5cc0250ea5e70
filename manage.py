#!/usr/bin/env python
"""Django's command line. Chooses the database role by the command: migrations run as owner, operators as worker."""

import os
import sys
from pathlib import Path

OWNER = {
    "migrate",
    "makemigrations",
    "showmigrations",
    "sqlmigrate",
    "database_prepare",
    "flush",
    "dbshell",
    "test",
    "check",
}


def main() -> None:
    # Appended, never put in front: our folder `platform` must not come before Python's module of that name.
    sys.path.append(str(Path(__file__).resolve().parent / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    os.environ.setdefault("MEDISETTLE_DB_ROLE", "owner" if command in OWNER else "worker")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
