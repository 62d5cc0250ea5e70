"""The pack that counts where an insurer has published none: the standing checks, every claim before a person.

A new version of it has another number. Its cases are those that any pack may begin with.
"""

from __future__ import annotations

from typing import Any

from prereview.rules.checks import RULES
from prereview.rules.packs import Pack, cases_read, pack_read

NUMBER = 1
CODE = "standing"
BODY: dict[str, Any] = {
    "rules": [{"rule": code} for code in RULES],
    "look_from_minor": 5_000_000,
    "sample_basis_points": 500,
    "straight_through": {"kinds": [], "up_to_minor": 0},
}


def _both(rule: str, passes: list[tuple[str, dict[str, Any]]], routes: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [
        {"name": name, "rule": rule, "passes": verdict, "changes": changes}
        for verdict, cases in ((True, passes), (False, routes))
        for name, changes in cases
    ]


CERTIFICATE = {"kind": "DIAGNOSIS_CERTIFICATE", "issued_on": "2026-06-01"}
AGED = [{"kind": "PRESCRIPTION", "issued_on": "2026-10-26"}, CERTIFICATE]
TOO_OLD = [{"kind": "PRESCRIPTION", "issued_on": "2026-10-25"}, CERTIFICATE]
FRESH_TOO = [*TOO_OLD, {"kind": "PRESCRIPTION", "issued_on": "2026-11-25"}]
UNDATED = [{"kind": "PRESCRIPTION"}, CERTIFICATE]
RX = {"claim_no": "C-1", "same": "prescription"}
CASES: list[dict[str, Any]] = [
    *_both("person_on_policy", [("on it", {})], [("not on it", {"on_policy": False})]),
    *_both(
        "policy_in_force",
        [("in force", {})],
        [
            ("ended", {"in_force": False}),
            ("in its days of grace", {"in_force": False, "in_grace": True}),
        ],
    ),
    *_both("waiting_days", [("over", {})], [("the last waiting day", {"waiting_until": "2026-11-25"})]),
    *_both("drug_listed", [("listed", {})], [("delisted", {"listed": False})]),
    *_both("indication", [("indicated", {})], [("another illness", {"indicated": False})]),
    *_both(
        "diagnosis_window",
        [("within", {}), ("the first day inside", {"diagnosed_on": "2023-11-25"})],
        [
            ("one day too long ago", {"diagnosed_on": "2023-11-24"}),
            ("after the service", {"diagnosed_on": "2026-11-26"}),
            ("not told", {"diagnosed_on": None}),
        ],
    ),
    *_both(
        "diagnosis_under_cover",
        [
            ("after waiting", {"diagnosed_on": "2026-01-31"}),
            ("known as an earlier illness", {"diagnosed_on": "2025-12-01", "pre_existing": True}),
        ],
        [("on the last waiting day", {"diagnosed_on": "2026-01-30"})],
    ),
    *_both(
        "materials_complete",
        [("all there", {})],
        [("one is missing", {"papers": [{"kind": "PRESCRIPTION", "issued_on": "2026-11-20"}]})],
    ),
    *_both(
        "materials_age",
        [("as old as allowed", {"papers": AGED}), ("an old one and a fresh one", {"papers": FRESH_TOO})],
        [("one day too old", {"papers": TOO_OLD}), ("without a date", {"papers": UNDATED})],
    ),
    *_both(
        "prescription_valid",
        [("valid", {}), ("a finer code of the same illness", {"prescribed_icd10": "C50.1"})],
        [
            ("none", {"prescribed": False}),
            ("expired", {"prescription_fault": "expired"}),
            ("too soon", {"prescription_fault": "too_soon"}),
            ("for another illness", {"prescribed_icd10": "C34.1"}),
            ("for less", {"quantity": 2}),
            ("by no specialist", {"specialist": False}),
        ],
    ),
    *_both("days_of_supply", [("all of it", {"days_of_supply": 31})], [("one day more", {"days_of_supply": 32})]),
    *_both(
        "early_refill",
        [("first", {}), ("on the first allowed day", {"supplied_until": "2026-11-30"})],
        [
            ("one day early", {"supplied_until": "2026-12-01"}),
            ("charity boxes are left", {"supplied_until": "2027-01-10", "charity_cycles": True}),
        ],
    ),
    *_both(
        "authorisation",
        [("first claim", {}), ("a cycle of it", {"kind": "RENEWAL", "authorised": True})],
        [
            ("renewal without one", {"kind": "RENEWAL"}),
            ("used up", {"kind": "RENEWAL", "authorised": True, "authorisation_fault": "used_up"}),
            ("to be evaluated again", {"kind": "RENEWAL", "authorised": True, "re_evaluation_due": True}),
        ],
    ),
    *_both(
        "duplicate",
        [("none", {}), ("a repeat", {"prescription_repeats": 1, "alike": [RX]})],
        [
            ("the prescription again", {"alike": [RX]}),
            ("one repeat too many", {"prescription_repeats": 1, "alike": [RX, {**RX, "claim_no": "C-2"}]}),
            ("the invoice again", {"alike": [{"claim_no": "C-1", "same": "invoice"}]}),
            ("the file again", {"alike": [{"claim_no": "C-1", "same": "file"}]}),
        ],
    ),
    *_both(
        "cap_left",
        [("exactly enough", {"cap_left_minor": 400_000})],
        [("one minor unit short", {"cap_left_minor": 399_999}), ("nothing held", {"cap_left_minor": None})],
    ),
    *_both(
        "large_amount",
        [("below", {"payable_minor": 4_999_999})],
        [("at the limit", {"payable_minor": 5_000_000})],
    ),
]


def standing_pack() -> Pack:
    return pack_read(BODY)


STANDING_CASES = cases_read(CASES)
