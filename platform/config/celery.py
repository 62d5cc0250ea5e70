"""The Celery application: carrier of hints, exports, faces and mail."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
app = Celery("medisettle")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
