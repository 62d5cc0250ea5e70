import signal
from typing import Any

from django.core.management.base import BaseCommand

from journal.sweeper import Sweeper


class Command(BaseCommand):
    help = "Take every job that has been due for more than a second, whatever happened to its hint. Needs no broker."

    def handle(self, *args: Any, **options: Any) -> None:
        sweeper = Sweeper()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sweeper.stop())
        sweeper.run()
