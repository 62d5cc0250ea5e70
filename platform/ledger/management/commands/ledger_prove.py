"""Prove the ledger from its rows. Exit code 1 names what is broken."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ledger.services import prove


class Command(BaseCommand):
    help = "Recompute every rule of the ledger from its rows; exit code 1 and the offending ids when one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--first-day", type=date.fromisoformat, help="check single postings from this day on (YYYY-MM-DD) only"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        proof = prove(first_day=options["first_day"])
        width = max(len(check.name) for check in proof.checks)
        self.stdout.write(f"{'rule':<{width}}  {'rows':>10}  {'broken':>8}")
        for check in proof.checks:
            self.stdout.write(f"{check.name:<{width}}  {check.examined:>10}  {check.offending:>8}")
        if not proof.holds:
            broken = [f"{check.name}: {', '.join(check.offenders)}" for check in proof.checks if not check.holds]
            raise CommandError("The ledger does not hold.\n" + "\n".join(broken), returncode=1)
        self.stdout.write("The ledger holds.")
