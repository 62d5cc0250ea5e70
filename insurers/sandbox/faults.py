"""Which fault befalls which call: a list for the next calls, or a mix drawn from a seed."""

import hashlib
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

FAULTS = (
    "commit_then_silence",
    "commit_then_late_answer",
    "reset_mid_body",
    "duplicate_delivery",
    "reorder",
    "corrupt_json",
    "wrong_signature",
    "drip",
    "ok_with_error_inside",
    "wrong_amount",
    "wrong_person",
    "refuse",
    "unavailable",
    "silence_without_commit",
    "late_commit",
    "commit_running",
)
MONEY_KINDS = ("settle", "cancel", "reverse")
# Faults of a pushed claim are asked for by name only: `"on": "claim"`.
FAULTY_KINDS = (*MONEY_KINDS, "claim")
NEXT_MAXIMUM = 100_000
SECONDS_MAXIMUM = 3_600.0


class BadPlan(Exception):
    """A control request that names something this sandbox does not have."""


def seconds_read(value: object, name: str, *, minimum: float = 0.0) -> float:
    """A number of seconds from a control body. Raises BadPlan."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= SECONDS_MAXIMUM:
        raise BadPlan(f"{name} must be a number of seconds from {minimum} to {SECONDS_MAXIMUM}")
    return float(value)


def _fault_read(name: object) -> str:
    if name not in FAULTS:
        raise BadPlan(f"unknown fault {name!r}; there are {', '.join(FAULTS)}")
    return str(name)


def _mix_read(content: Mapping[str, Any]) -> tuple[tuple[str, float], ...]:
    mix = content.get("mix") or {}
    if not isinstance(mix, dict):
        raise BadPlan('mix must be an object of fault name and share, as {"refuse": 0.1}')
    for share in mix.values():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise BadPlan("a share in mix must be a number from 0 to 1")
    if sum(mix.values()) > 1 + 1e-9:
        raise BadPlan("the shares in mix must not sum to more than 1")
    # Sorted, so that the order in which the shares were written changes no draw.
    return tuple(sorted((_fault_read(name), float(share)) for name, share in mix.items()))


class FaultPlan:
    """One setting of faults; a new setting replaces it whole. Lives in memory, a restart forgets it."""

    def __init__(self, content: Mapping[str, Any] | None = None) -> None:
        """Reads the body of `POST faults`. Raises BadPlan."""
        self.content = dict(content or {})
        following = self.content.get("next") or []
        if not isinstance(following, list) or len(following) > NEXT_MAXIMUM:
            raise BadPlan(f"next must be a list of at most {NEXT_MAXIMUM} fault names")
        self.following = deque(_fault_read(name) for name in following)
        self.mix = _mix_read(self.content)
        self.seed = str(self.content.get("seed", 0))
        self.kinds: tuple[str, ...] = MONEY_KINDS
        if (on := self.content.get("on")) is not None:
            if on not in FAULTY_KINDS:
                raise BadPlan(f"on must be one of {', '.join(FAULTY_KINDS)}")
            self.kinds = (on,)
        late = self.content.get("late_seconds")
        self.late_seconds = None if late is None else seconds_read(late, "late_seconds")
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.happened: Counter[str] = Counter()

    def draw(self, *, kind: str, his_no: str) -> str | None:
        """The fault of this call, or None. A draw depends on (seed, his_no, kind, attempt) and on nothing else."""
        if kind not in self.kinds:
            return None
        fault = self.following.popleft() if self.following else self._draw_from_mix(kind, his_no)
        if fault is not None:
            self.happened[fault] += 1
        return fault

    def _draw_from_mix(self, kind: str, his_no: str) -> str | None:
        if not self.mix:
            return None
        self.attempts[his_no, kind] += 1
        text = f"{self.seed}|{his_no}|{kind}|{self.attempts[his_no, kind]}"
        point = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
        for name, share in self.mix:
            if point < share:
                return name
            point -= share
        return None

    def as_dict(self) -> dict[str, Any]:
        """What `GET faults` answers: the setting, what is left of it, and how often each fault happened."""
        return {"setting": self.content, "next": list(self.following), "happened": dict(self.happened)}
