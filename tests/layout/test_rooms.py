"""The house: foreign keys point down only, files stay small, rooms are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parents[2]
FLOORS = (
    "core",
    "accounts",
    "ledger journal",
    "registry",
    "exchange",
    "claims notices portal",
    "hospitals insurers pharmacies patients",
    "prereview settlement",
    "ops",
)
HEIGHT = {name: height for height, names in enumerate(FLOORS) for name in names.split()}
OURS = [config for config in apps.get_app_configs() if config.label in HEIGHT]
LINES = 400
TOPS = (
    *("platform", "hospitals", "insurers", "pharmacies", "patients", "prereview", "settlement"),
    *("clients", "deploy", "bench", "chaos", "tests"),
)
ROOMS = {"models", "states", "services", "selectors", "api", "portal", "tasks", "admin", "urls", "apps", "migrations"}
# Files that are no room have the name of what they hold, and stand here.
DOMAIN = {
    "core": {
        "bulk",
        "clock",
        "content_policy",
        "crypto",
        "errors",
        "faults",
        "ids",
        "money",
        "pdf",
        "problems",
        "row_security",
        "transitions",
        "management",
    },
    "accounts": {"backends", "forms", "middleware", "management"},
    "journal": {"drain", "engine", "handlers", "hints", "sweeper", "management"},
    "ledger": {"chart", "locks", "management"},
    "exchange": {
        *(
            "bills",
            "breaker",
            "days",
            "dialects",
            "doubt",
            "envelopes",
            "handlers",
            "kinds",
            "locks",
            "masking",
            "messages",
            "notices",
            "pages",
            "persons",
        ),
        *("reasons", "transport", "verdicts", "management"),
    },
    "portal": {
        "README",
        "acting",
        "advice",
        "claim_labels",
        "forms",
        "labels",
        "locale",
        "review_labels",
        "site",
        "static",
        "templatetags",
    },
    "registry": {"terms", "policy_files", "policy_rows", "shapes", "management"},
    "claims": {"papers", "payable", "shapes"},
    "notices": {"handlers", "quiet", "senders", "wordings"},
    "patients": {"consent_texts", "handlers"},
    "prereview": {"composer", "handlers", "rules"},
    "hospitals": {"listener"},
    "insurers": {"sandbox", "spi", "handlers"},
    "pharmacies": {"handlers", "ranking", "stock_rows"},
    "settlement": {"contracts", "handlers", "bank_handlers", "rails", "bank", "shapes"},
    "ops": {"claim_story", "story", "doubts", "visitors", "specialty_world", "management"},
}


def test_foreign_keys_point_down_only() -> None:
    upward = [
        f"{model.__name__}.{field.name}"
        for config in OURS
        for model in config.get_models()
        for field in model._meta.get_fields()
        if field.concrete and field.is_relation and field.related_model is not None
        if HEIGHT.get(field.related_model._meta.app_label, -1) > HEIGHT[config.label]
    ]
    assert upward == []


@pytest.mark.parametrize("app", sorted(DOMAIN))
def test_every_file_is_a_room_or_a_named_thing(app: str) -> None:
    folder = ROOT / app if (ROOT / app).exists() else ROOT / "platform" / app
    names = {path.stem for path in folder.iterdir() if not path.stem.startswith("__")}
    assert names - ROOMS - DOMAIN[app] == set()


def test_no_file_holds_two_things() -> None:
    code = [path for top in TOPS for path in (ROOT / top).rglob("*.py")]
    long = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in code
        if "migrations" not in path.parts
    }
    assert {name: lines for name, lines in long.items() if lines > LINES} == {}


def test_nothing_names_a_package_registry_or_a_place_on_one_machine() -> None:
    forbidden = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "/ro" + "ot/.", "/wo" + "rk/")
    suffixes = {".py", ".md", ".toml", ".lock", ".sh", ".html", ".txt", ".json", ".js", ".css", ".po", ""}
    skipped = {
        ".git",
        ".venv",
        ".venv-uv",
        "var",
        "__pycache__",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
    }
    named = []
    for path in ROOT.rglob("*"):
        if skipped & set(path.relative_to(ROOT).parts) or path.suffix not in suffixes or not path.is_file():
            continue
        text = path.read_text(errors="ignore")
        named += [f"{path.relative_to(ROOT)}: {word}" for word in forbidden if word in text]
    assert named == []
