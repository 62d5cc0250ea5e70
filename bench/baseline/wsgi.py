"""The WSGI application of the baseline."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.baseline.settings")

from django.core.wsgi import get_wsgi_application

from bench.baseline.celery import app as celery_app

# The view's `.delay()` must find this application, not Celery's default one.
celery_app.set_default()
application = get_wsgi_application()
