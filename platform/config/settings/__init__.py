"""Settings: one file per concern, gathered here. Each variable is explained in docs/settings.md."""

from config.settings.apps import *  # noqa: F403
from config.settings.bank import *  # noqa: F403
from config.settings.celery import *  # noqa: F403
from config.settings.database import *  # noqa: F403
from config.settings.exchange import *  # noqa: F403
from config.settings.notices import *  # noqa: F403
from config.settings.security import *  # noqa: F403
