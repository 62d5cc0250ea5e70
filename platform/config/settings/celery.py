"""The broker carries hints only. If it vanished this second, the sweeper would go on with the work."""

from config.settings import environment
from config.settings.exchange import ABNORMAL_CHECK

CELERY_BROKER_URL = environment.text("BROKER_URL")
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Without it a worker opens a database connection for every task.
CELERY_DB_REUSE_MAX = 1000000
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 15,
}
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
# Static: the table is read once when beat starts. Each of these is done by the sweeper too, so nothing depends on it.
CELERY_BEAT_SCHEDULE = {
    "abnormal-check": {
        "task": "exchange.tasks.abnormal_check",
        "schedule": ABNORMAL_CHECK["every_seconds"],
        # One that waits longer than that is followed by the next one anyway.
        "options": {"queue": "checks", "expires": ABNORMAL_CHECK["every_seconds"]},
    }
}
