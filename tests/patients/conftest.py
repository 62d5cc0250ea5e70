from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from tests.patients.house import Family, make_family


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> Path:
    """Papers and messages of a test lie in folders of its own."""
    settings.OUTBOX_FOLDER = str(tmp_path / "outbox")
    documents = {**settings.STORAGES["documents"], "OPTIONS": {"location": str(tmp_path / "documents")}}
    settings.STORAGES = {**settings.STORAGES, "documents": documents}
    return tmp_path


@pytest.fixture
def family(db: None) -> Family:
    return make_family()
