"""Which fault befalls which call: a list for the next calls, or a mix drawn from a seed."""

import hashlib
from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

PAYMENT_FAULTS = (
    "lost_answer",
    "late",
    "silence",
    "refuse",
    "returned",
    "garbage",
    "reset_mid_body",
    "wrong_signature",
    "wrong_amount",
    "ok_with_error_inside",
    "unavailable",
)
STATEMENT_FAULTS = ("duplicate_statement",)
# Asked for by name only: `"on": "query"`.
QUERY_FAULTS = ("silence", "garbage", "wrong_signature", "unavailable", "wrong_amount", "ok_with_error_inside")
FAULTS = {"payment": PAYMENT_FAULTS, "query": QUERY_FAULTS, "statement": STATEMENT_FAULTS}
NEXT_MAXIMUM = 100_000
SECONDS_MAXIMUM = 3_600.0


class BadPlan(Exception):
    """A control request that names something this bank does not have."""


def seconds_read(value: object, name: str) -> float:
    """A number of seconds from a control body. Raises BadPlan."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= SECONDS_MAXIMUM:
        raise BadPlan(f"{name} must be a number of seconds from 0 to {SECONDS_MAXIMUM}")
    return float(value)


class FaultPlan:
    """One setting of faults; a new setting replaces it whole. Lives in memory, a restart forgets it."""

    def __init__(self, content: Mapping[str, Any] | None = None) -> None:
        """Reads the body of `POST faults`. Raises BadPlan."""
        self.content = dict(content or {})
        if unknown := set(self.content) - {"next", "on", "mix", "seed", "late_seconds"}:
            raise BadPlan(f"unknown: {', '.join(sorted(unknown))}; there are next, on, mix, seed, late_seconds")
        self.kind = str(self.content.get("on", "payment"))
        if self.kind not in FAULTS:
            raise BadPlan(f"on must be one of {', '.join(FAULTS)}")
        following = self.content.get("next") or []
        if not isinstance(following, list) or len(following) > NEXT_MAXIMUM:
            raise BadPlan(f"next must be a list of at most {NEXT_MAXIMUM} fault names")
        self.following = deque(self._fault_read(name) for name in following)
        self.mix = self._mix_read()
        self.seed = str(self.content.get("seed", 0))
        self.late_seconds = seconds_read(self.content.get("late_seconds", 1.0), "late_seconds")
        self.attempts: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()

    def _fault_read(self, name: object) -> str:
        if name not in FAULTS[self.kind]:
            raise BadPlan(f"unknown fault {name!r}; there are {', '.join(FAULTS[self.kind])}")
        return str(name)

    def _mix_read(self) -> tuple[tuple[str, float], ...]:
        mix = self.content.get("mix") or {}
        if not isinstance(mix, dict):
            raise BadPlan('mix must be an object of fault name and share, as {"refuse": 0.1}')
        for share in mix.values():
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise BadPlan("a share in mix must be a number from 0 to 1")
        if sum(mix.values()) > 1 + 1e-9:
            raise BadPlan("the shares in mix must not sum to more than 1")
        # Sorted, so that the order in which the shares were written changes no draw.
        return tuple(sorted((self._fault_read(name), float(share)) for name, share in mix.items()))

    def draw(self, *, kind: str, message_id: str) -> str | None:
        """The fault of this call, or None. A draw depends on (seed, message id, attempt) and on nothing else."""
        if kind != self.kind:
            return None
        fault = self.following.popleft() if self.following else self._draw_from_mix(message_id)
        if fault is not None:
            self.happened[fault] += 1
        return fault

    def _draw_from_mix(self, message_id: str) -> str | None:
        if not self.mix:
            return None
        self.attempts[message_id] += 1
        text = f"{self.seed}|{message_id}|{self.attempts[message_id]}"
        point = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
        for name, share in self.mix:
            if point < share:
                return name
            point -= share
        return None

    def as_dict(self) -> dict[str, Any]:
        """What `GET faults` answers: the setting, what is left of it, and how often each fault happened."""
        return {"setting": self.content, "next": list(self.following), "happened": dict(self.happened)}
