from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.clock import database_now
from journal.handlers import handlers
from journal.selectors import jobs_parked, liveness


class Command(BaseCommand):
    help = "How late the work is, from the database alone; ends with 1 when the oldest due job is older than --limit."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=float, default=30.0, help="Seconds.")

    def handle(self, *args: Any, **options: Any) -> None:
        state = liveness(now=database_now(), kinds=set(handlers()))
        self.stdout.write(f"due {state.due}, the oldest for {state.oldest_due_seconds:.1f} s")
        self.stdout.write(f"waiting for a handler that is not installed: {state.without_handler}")
        self.stdout.write(f"parked for a person: {state.parked}")
        for job in jobs_parked()[:20]:
            self.stdout.write(f"  {job.kind} {job.subject_id} on {job.lane}: {job.parked_reason}")
        if state.oldest_due_seconds > options["limit"]:
            raise CommandError(f"The oldest due job is older than {options['limit']:.0f} s: do workers run?")
