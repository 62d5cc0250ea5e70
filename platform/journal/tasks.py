"""Celery tasks of the journal: a hint arrives, the engine of this child is woken, the task is over."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import worker_process_shutdown
from django.conf import settings

from journal.engine import engine_of, engines_stop


@shared_task(name="journal.tasks.drain", ignore_result=True)
def drain(group_code: str) -> None:
    """Drain every lane of `group_code` that has due jobs and free slots."""
    engine_of(group_code).wake()


@worker_process_shutdown.connect
def finish_calls(**_: Any) -> None:
    """Wait for the calls under way before this child ends; what is not finished by then has its guard job."""
    engines_stop(timeout_seconds=max(settings.DEADLINE_SECONDS.values()) + 5)
