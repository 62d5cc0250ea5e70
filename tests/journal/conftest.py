from __future__ import annotations

from tests.exchange.conftest import committed_house, django_db_setup, house
from tests.live import live, live_template

__all__ = ["committed_house", "django_db_setup", "house", "live", "live_template"]
