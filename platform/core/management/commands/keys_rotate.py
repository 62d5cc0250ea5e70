from typing import Any

from django.core.management.base import BaseCommand

from core.crypto import data_keys_rewrap


class Command(BaseCommand):
    help = "Wrap every data key under the first key of MEDISETTLE_MASTER_KEYS; run it after putting a new key first."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{data_keys_rewrap()} data keys re-wrapped")
