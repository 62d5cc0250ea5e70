"""What a run draws from its seed: who comes to which till with what fee, how people behave, which faults insurers make.

Pure: the same seed gives the same visits, habits, mixes and blows. What the machine makes of them (who wins a race) is
not in the seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from insurers.sandbox.faults import FAULTS, FaultPlan

REGION = "110000"
# Insurer, its profile, its scheme (as `demo_seed` routes it) and how often it is chosen.
INSURERS = (
    ("SANDBOX-A", "all_capabilities", "310", 4),
    ("SANDBOX-B", "nhsa_like", "390", 2),
    ("SANDBOX-C", "no_empty_cancel", "340", 2),
    ("SANDBOX-D", "late_original", "380", 2),
)
SCHEMES = {code: scheme for code, _, scheme, _ in INSURERS}
HOSPITALS = ("HOSP-A", "HOSP-B")
# The last four characters of a person's number say what the insurer does with the fee (insurers/sandbox/profiles.py).
PERSONS = {"1237": 80, "9001": 2, "9003": 2, "9004": 4, "9005": 3, "9006": 1, "9007": 3, "9008": 2, "9009": 3}
FAULTY_SHARE = 0.30
# The insurer whose late originals surface commits late more often than others, and after its quiet time: that is the
# only way in which an original comes after its reversal. Everywhere else every fault has the same share.
SURFACING, LATE_COMMIT, LATE_SHARE, LATE_SECONDS = "SANDBOX-D", "late_commit", 0.25, 9.0

# What people do, by occasion, with how often per hundred. `acts` names what of the contract a habit needs.
HABITS: Mapping[str, Mapping[str, int]] = {
    "before": {"nothing": 89, "presettle": 6, "cash_first": 2, "click_twice": 3},
    "on_pending": {"wait": 45, "abandon": 35, "abandon_twice": 8, "abandon_late": 12},
    "on_success": {
        **{"acknowledge": 68, "acknowledge_twice": 3, "forget": 10, "cash_late": 4},
        **{"disown": 5, "cancel": 6, "cancel_and_settle": 1, "resettle": 3},
    },
    "on_refusal": {"leave": 50, "cash": 25, "retry": 25},
    "on_unsent": {"retry": 70, "cash": 25, "leave": 5},
    "on_own_cash": {"keep": 55, "replace": 40, "service_cancelled": 5},
    "on_refund_due": {"report": 85, "report_twice": 10, "forget": 5},
}
# Habit -> the call of the contract it rests on. A run can be told to leave calls out.
NEEDS = {
    "cash_first": "abandon",
    "abandon": "abandon",
    "abandon_twice": "abandon",
    "abandon_late": "abandon",
    "cash_late": "abandon",
    "cash": "abandon",
    "acknowledge": "acknowledge",
    "acknowledge_twice": "acknowledge",
    "disown": "disown",
    "cancel": "cancel",
    "cancel_and_settle": "cancel",
    "resettle": "resettle",
    "replace": "replaces",
    "service_cancelled": "service_cancelled",
    "report": "refunded",
    "report_twice": "refunded",
    "retry": "retry_of",
}
ACTS = tuple(sorted(set(NEEDS.values())))
# What is done instead where an act is left out.
FALLBACK = {
    "before": "nothing",
    "on_pending": "wait",
    "on_success": "forget",
    "on_refusal": "leave",
    "on_unsent": "leave",
    "on_own_cash": "keep",
    "on_refund_due": "forget",
}


@dataclass(frozen=True)
class Visit:
    """One patient with one bill. `habits` says for each occasion what these people do. Amounts in minor units."""

    number: int
    hospital: str
    insurer: str
    id_no: str
    total_minor: int
    rest_minor: int
    wait_seconds: int
    pause_seconds: float
    habits: Mapping[str, str]

    @property
    def visit_no(self) -> str:
        return f"V-{self.number:06d}"

    @property
    def bill_no(self) -> str:
        return f"B-{self.number:06d}"


def visit_of(seed: int, number: int, *, without: Sequence[str] = ()) -> Visit:
    """The visit of this number. `rest_minor` is what a resettle leaves of the total."""
    draw = Random(f"{seed}:visit:{number}")
    insurer = draw.choices([code for code, *_ in INSURERS], [weight for *_, weight in INSURERS])[0]
    ending = draw.choices(list(PERSONS), list(PERSONS.values()))[0]
    habits = {}
    for occasion, shares in HABITS.items():
        habit = draw.choices(list(shares), list(shares.values()))[0]
        habits[occasion] = FALLBACK[occasion] if NEEDS.get(habit) in without else habit
    total_minor = draw.randint(1_00, 900_00)
    return Visit(
        number=number,
        hospital=draw.choice(HOSPITALS),
        insurer=insurer,
        id_no=f"11010119900{draw.randint(101, 999)}{ending}",
        total_minor=total_minor,
        rest_minor=draw.randint(1, total_minor),
        wait_seconds=draw.randint(1, 6),
        pause_seconds=draw.uniform(0.2, 6.0),
        habits=habits,
    )


def mix_of(seed: int, insurer: str, *, share: float = FAULTY_SHARE) -> dict[str, Any]:
    """The body of `POST faults`: every fault by name, together `share` of the money calls."""
    setting: dict[str, Any] = {"mix": dict.fromkeys(FAULTS, share / len(FAULTS)), "seed": f"{seed}-{insurer}"}
    if insurer == SURFACING:
        others = share * (1 - LATE_SHARE) / (len(FAULTS) - 1)
        setting["mix"] = {**dict.fromkeys(FAULTS, others), LATE_COMMIT: share * LATE_SHARE}
        setting["late_seconds"] = LATE_SECONDS
    return setting


def fault_of(seed: int, insurer: str, *, his_no: str, kind: str = "settle", share: float = FAULTY_SHARE) -> str | None:
    """The fault that the first call of this kind for `his_no` draws, or None."""
    return FaultPlan(mix_of(seed, insurer, share=share)).draw(kind=kind, his_no=his_no)
