from __future__ import annotations

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from core.clock import database_now, local_day
from exchange.persons import person_index_of
from exchange.selectors.routing import route_explain


class Command(BaseCommand):
    help = "Say which insurer a wish would go to, and for each other rule why not."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--scheme", required=True)
        parser.add_argument("--region", default="")
        parser.add_argument("--id-type", default="01")
        parser.add_argument("--id-no", default="")
        parser.add_argument("--on", type=date.fromisoformat, help="Day, YYYY-MM-DD; default today.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = database_now()
        index = person_index_of({"id_type": options["id_type"], "id_no": options["id_no"]}, now=now)
        lines = route_explain(
            scheme=options["scheme"], region=options["region"], person_index=index, on=options["on"] or local_day(now)
        )
        for rule, verdict in lines:
            who = "one person" if rule.person_index else "anybody"
            days = f"{rule.valid_from}..{rule.valid_to or ''}"
            rule_text = f"{rule.interface_code:<16} scheme {rule.scheme:<8} region {rule.region:<8}"
            self.stdout.write(f"{rule_text} {who:<10} {days:<23} {verdict}")
        if not any(verdict == "chosen" for _, verdict in lines):
            self.stdout.write("No rule applies: the hospital is answered 422 no_route.")
