"""Hints never stop anybody: a broker that is away costs a count, and the next hint is tried again."""

from __future__ import annotations

import subprocess
import sys

from deploy.local.folders import ROOT
from tests.exchange.house import House

# A process of its own, whose broker is a port on which nobody listens.
HINTS = """
import sys, time
import django
django.setup()
from journal.hints import hint_publish, publisher
for attempt in (1, 2):
    hint_publish(lane_ids=[int(sys.argv[1])])
    give_up_at = time.monotonic() + 20
    while publisher.failed < attempt:
        assert time.monotonic() < give_up_at, f"hint {attempt} was not tried"
        time.sleep(0.05)
print(publisher.failed, publisher.published)
"""


def test_a_hint_that_fails_is_counted_and_the_next_one_is_tried(
    committed_house: House, process_environment: dict[str, str]
) -> None:
    environment = process_environment | {
        "BROKER_URL": "redis://127.0.0.1:9/0",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
    }
    command = [sys.executable, "-c", HINTS, str(committed_house.lane.pk)]
    told = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (told.returncode, told.stdout.strip()) == (0, "2 0"), told.stderr[-2000:]
