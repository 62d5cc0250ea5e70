from __future__ import annotations

import pytest
from pytest_django import Settings

from tests.insurers.cast import Cast, make_cast


@pytest.fixture(autouse=True)
def cheap_passwords(settings: Settings) -> None:
    """A dozen people per test, whose passwords nobody attacks."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()
