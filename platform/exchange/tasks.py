"""Celery tasks of job A: shells around services, for beat. The sweeper does the same without a broker."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from core.clock import database_now
from exchange.services import monitor


@shared_task(name="exchange.tasks.abnormal_check", ignore_result=True)
def abnormal_check() -> None:
    """Find what has not ended and has nobody who will look at it, and queue it."""
    monitor.abnormal_check(now=database_now(), limit=settings.ABNORMAL_CHECK["limit"])
