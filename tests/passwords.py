"""Passwords of people whom nobody attacks: a cast has a dozen of them in every test."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class QuickArgon2(Argon2PasswordHasher):
    """The real algorithm, made cheap. What it writes is read by real processes too: the costs stand in the hash."""

    time_cost = 1
    memory_cost = 64
    parallelism = 1
