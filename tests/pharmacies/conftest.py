from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker, Settings

from tests.pharmacies.house import Town, make_town
from tests.registry.house import make_shelf
from tests.roles import truncation_allowed


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock():
        truncation_allowed()


@pytest.fixture(autouse=True)
def papers_folder(settings: Settings, tmp_path: Path) -> Path:
    """Papers of a test lie in a folder of its own."""
    documents = {**settings.STORAGES["documents"], "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "documents": documents}
    return tmp_path


@pytest.fixture
def town(db: None) -> Town:
    return make_town(make_shelf())


@pytest.fixture
def committed_town(transactional_db: None) -> Town:
    return make_town(make_shelf())
