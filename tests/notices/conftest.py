from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from registry.models import Person
from tests.registry.house import person_of


@pytest.fixture
def outbox(settings: Settings, tmp_path: Path) -> Path:
    """Where messages that left the platform are found."""
    settings.OUTBOX_FOLDER = str(tmp_path)
    return tmp_path


@pytest.fixture
def reader(db: None) -> Person:
    return person_of(phone="13900001111")


@pytest.fixture
def stranger(db: None) -> Person:
    return person_of()
