"""Settings, addresses, and the one table that ties kinds of work to services."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
