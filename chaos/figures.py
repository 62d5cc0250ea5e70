"""Numbers of a run: counts, shares and times. Pure functions over its facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from chaos.accounts import WITH_A_PERSON
from chaos.checker import OPEN, with_a_person
from chaos.facts import Facts, Ours
from chaos.plan import SCHEMES, fault_of

# Faults that an insurer makes and yet answers in time with something that proves: doubt after these is our own.
HARMLESS = ("duplicate_delivery", "reorder", "refuse", "commit_running")
UNPROVEN = ("IN_DOUBT", "REVERSING")
# Scaled times: accept window 2 s, processing 1 s, skew 0.5 s.
QUIET_SECONDS = 3.5
IN_TIME_SECONDS = QUIET_SECONDS + 30.0
IN_TIME_SHARE = 0.99


def doubts(facts: Facts) -> list[Ours]:
    """Transactions that were ever in doubt."""
    return [row for row in facts.ours.values() if any(to == "IN_DOUBT" for _, to, _ in row.moves)]


def own_doubts(facts: Facts, *, seed: int, share: float) -> int:
    """Doubts whose insurer was told of no fault, or of one that leaves no doubt: made by the machine and the blows."""
    return sum(
        fault_of(seed, row.insurer, his_no=row.his_no, share=share, kind=_kind(row)) in (None, *HARMLESS)
        for row in doubts(facts)
        if row.insurer in SCHEMES
    )


def _kind(row: Ours) -> str:
    return "cancel" if row.operation_class == "UNDOES" else "settle"


def stretches(row: Ours) -> Iterator[float]:
    """How long the transaction was in doubt or in reversal, each time, in seconds."""
    began_at: float | None = None
    for _, to_state, at in row.moves:
        if to_state in UNPROVEN:
            began_at = at if began_at is None else began_at
        elif began_at is not None and to_state not in OPEN:
            yield at - began_at
            began_at = None


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of them lie; 0 of none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else 0.0


def figures(facts: Facts, *, seed: int, share: float) -> dict[str, Any]:
    """Everything the report says in numbers."""
    times = [seconds for row in facts.ours.values() for seconds in stretches(row)]
    doubtful, fees = doubts(facts), [row for row in facts.ours.values() if row.operation_class != "READS"]
    own = own_doubts(facts, seed=seed, share=share)
    faults = Counter(
        str(fault_of(seed, row.insurer, his_no=row.his_no, share=share, kind=_kind(row)) or "none")
        for row in fees
        if row.insurer in SCHEMES
    )
    return {
        "transactions": len(facts.ours),
        "states": dict(sorted(Counter(row.state for row in facts.ours.values()).items())),
        "verdicts_told": dict(sorted(Counter(told.verdict for told in facts.told if told.verdict).items())),
        "answers_kept": len(facts.told),
        "settlements_in_books": dict(sorted(Counter(f"{one.insurer} {one.state}" for one in facts.held).items())),
        "faults_of_first_calls": dict(sorted(faults.items())),
        "in_doubt": len(doubtful),
        "in_doubt_share": round(len(doubtful) / len(fees), 4) if fees else 0.0,
        "made_by_the_machine": own,
        "made_by_the_machine_share": round(own / len(doubtful), 4) if doubtful else 0.0,
        "surfaced": sum(sum(to == "REVERSING" for _, to, _ in row.moves) > 1 for row in facts.ours.values()),
        "with_a_person": dict(sorted(with_a_person(facts).items())),
        "with_a_person_share": round(
            sum(row.state == WITH_A_PERSON for row in facts.ours.values()) / max(1, len(facts.ours)), 4
        ),
        "cash_taken_minor": sum(one.minor for one in facts.cash if one.minor > 0),
        "cash_given_back_minor": -sum(one.minor for one in facts.cash if one.minor < 0),
        "seconds_in_doubt": {
            "times": len(times),
            "p50": percentile(times, 0.5),
            "p99": percentile(times, 0.99),
            "longest": round(max(times, default=0.0), 2),
            "in_time_share": round(sum(one <= IN_TIME_SECONDS for one in times) / len(times), 4) if times else 1.0,
            "in_time_seconds": IN_TIME_SECONDS,
        },
    }


def bound(failures: int, count: int) -> str:
    """The statistician's sentence about `failures` in `count` independent trials."""
    if failures:
        return f"{failures} failures in {count}"
    return f"0 failures in {count}: at most {3 / count:.2e} at 95 %" if count else "nothing was tried"
