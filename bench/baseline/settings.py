"""The platform's settings, with what the plain way needs in place of the listener and the journal."""

from config.settings import *  # noqa: F403
from config.settings.celery import CELERY_BROKER_URL

ROOT_URLCONF = "bench.baseline.urls"
# A program's door: no sessions, no cookies, no pages.
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
CELERY_RESULT_BACKEND = f"{CELERY_BROKER_URL.rpartition('/')[0]}/1"
CELERY_TASK_IGNORE_RESULT = False
CELERY_RESULT_EXPIRES = 300
# Celery's own choice: at 1, the platform's, a child waits for the broker between two tasks.
CELERY_WORKER_PREFETCH_MULTIPLIER = 4
# Nobody looks at the states in between.
CELERY_TASK_TRACK_STARTED = False
CELERY_WORKER_SEND_TASK_EVENTS = False
