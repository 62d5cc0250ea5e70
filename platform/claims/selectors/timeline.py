"""One timeline from the append-only logs, with a lens per role; whose turn it is, and until when."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from claims.models import Claim, ClaimClock, ClaimEvent
from claims.selectors.wording import (
    EVENTS,
    LETTER_SEND,
    MOVES,
    PAPER_RECEIVE,
    PAPER_SEND,
    STEPS,
    WORDS_OF_STATES,
)
from claims.states import Audience, ClaimState, ClockKind, Stage
from core.models import Transition

ENTRIES = 500
# A move whose entry says the same, in more words, is not shown twice.
TOLD_BY_EVENT = frozenset(
    {
        *(ClaimState.SUBMITTED, ClaimState.MATERIALS_REQUESTED, ClaimState.PREREVIEW_PASSED),
        *(ClaimState.PREREVIEW_DECLINED, ClaimState.CONFIRMED, ClaimState.PARTLY_CONFIRMED, ClaimState.DECLINED),
        *(ClaimState.WITHDRAWN, ClaimState.CLOSED, ClaimState.APPEALED, ClaimState.REOPENED, ClaimState.INVESTIGATION),
    }
)
CLOCK_OF_STEP = {
    "PATIENT": (ClockKind.MATERIALS, ClockKind.APPEAL),
    "PREREVIEW": (ClockKind.DECIDE,),
    "INSURER": (ClockKind.DECIDE, ClockKind.PAY),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `who` is a name for reviewers, and a side (patient, platform, insurer, clock) through other lenses."""

    at: datetime
    kind: str
    text: str
    text_zh: str
    who: str
    on_behalf: bool = False
    from_state: str = ""
    to_state: str = ""
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NextStep:
    """`whose`: PATIENT, PREREVIEW, INSURER, PLATFORM or NOBODY. `by`: when the law or the request says, if it does.

    `also`: what runs beside it and holds nothing up, such as paper originals and the letter of a refusal.
    """

    whose: str
    what: str
    what_zh: str
    by: datetime | None
    late: bool = False
    also: tuple[NextStep, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockRead:
    kind: str
    started_at: datetime
    due_at: datetime
    paused: bool
    stopped: bool
    late: bool


def timeline_of(*, claim: Claim, audience: Audience | None) -> list[Entry]:
    """Oldest first, at most 500. `audience` None: the platform, which sees all."""
    events = list(claim.events.order_by("id")[:ENTRIES])
    moves = Transition.objects.filter(entity="claims_claim", entity_id=str(claim.pk)).order_by("id")[:ENTRIES]
    seen = [_entry(event, audience) for event in events if _sees(event, audience)]
    seen += [_move(move, audience) for move in moves if _sees_move(move, audience)]
    return sorted(seen, key=lambda entry: entry.at)[:ENTRIES]


def event_by_subject(*, subject_id: UUID) -> ClaimEvent | None:
    """The entry that a job `notices.tell` is about."""
    return ClaimEvent.objects.select_related("claim").filter(pk=subject_id.int).first()


REFUSED = (ClaimState.PREREVIEW_DECLINED, ClaimState.PARTLY_CONFIRMED, ClaimState.DECLINED)


def next_step(*, claim: Claim, now: datetime) -> NextStep:
    """Derived from the state, the stage and the clocks; nothing of it is stored."""
    state = ClaimState(claim.state)
    confirming = claim.stage == Stage.CONFIRMATION
    whose, what, what_zh = STEPS[state][confirming]
    wanted = CLOCK_OF_STEP.get(whose, ())
    # Nothing is measured of a draft yet, and beside a refusal nobody owes a letter.
    measured = state != ClaimState.DRAFT and (wanted or state in REFUSED)
    clocks = clocks_of(claim=claim, now=now) if measured else []
    running = [clock for clock in clocks if not clock.stopped]
    live = [clock for clock in running if not clock.paused and clock.kind in wanted]
    by = min((clock.due_at for clock in live), default=None)
    return NextStep(whose, what, what_zh, by, late=by is not None and by <= now, also=_beside(claim, running))


def clocks_of(*, claim: Claim, now: datetime) -> list[ClockRead]:
    """The clocks of the present episode; a paused one is never late."""
    found = claim.clocks.filter(episode=claim.episode).order_by("started_at", "id")
    return [_clock(clock, now) for clock in found]


def clocks_late(*, now: datetime, limit: int) -> list[ClaimClock]:
    """Running clocks whose time has passed, the oldest first, as far as this transaction sees them."""
    late = ClaimClock.objects.filter(stopped_at__isnull=True, paused_at__isnull=True, due_at__lte=now)
    return list(late.select_related("claim").order_by("due_at")[:limit])


def _beside(claim: Claim, running: list[ClockRead]) -> tuple[NextStep, ...]:
    steps = []
    if claim.paper_waits:
        steps.append(NextStep(*(PAPER_RECEIVE if claim.paper_courier_no else PAPER_SEND), by=None))
    letters = [clock for clock in running if clock.kind == ClockKind.REFUSAL_LETTER]
    steps += [NextStep(*LETTER_SEND, by=clock.due_at, late=clock.late) for clock in letters]
    return tuple(steps)


def _clock(clock: ClaimClock, now: datetime) -> ClockRead:
    stopped, paused = clock.stopped_at is not None, clock.paused_at is not None
    end = clock.stopped_at or now
    late = not (paused and not stopped) and end >= clock.due_at
    return ClockRead(clock.kind, clock.started_at, clock.due_at, paused, stopped, late)


def _sees(event: ClaimEvent, audience: Audience | None) -> bool:
    return audience is None or audience.value in event.audience


def _sees_move(move: Transition, audience: Audience | None) -> bool:
    if move.to_state in TOLD_BY_EVENT or move.to_state == ClaimState.IN_PREREVIEW:
        return False
    return audience != Audience.PHARMACY


def _entry(event: ClaimEvent, audience: Audience | None) -> Entry:
    text, text_zh = EVENTS.get(event.kind, (event.kind, event.kind))
    details = event.details if audience != Audience.PHARMACY else {}
    who = _who(event.by, event.kind, audience)
    return Entry(event.at, event.kind, text, text_zh, who, on_behalf=event.on_behalf, details=details)


def _move(move: Transition, audience: Audience | None) -> Entry:
    state = ClaimState(move.to_state)
    text, text_zh = MOVES.get(state, WORDS_OF_STATES[state])
    inside = audience in (None, Audience.PREREVIEW, Audience.INSURER)
    return Entry(
        at=move.at,
        kind=f"state.{move.to_state}",
        text=text,
        text_zh=text_zh,
        who=_who(move.by, "confirmation." if "CONFIRM" in move.to_state else "", audience),
        from_state=move.from_state,
        to_state=move.to_state,
        reason=move.reason if inside else "",
    )


def _who(by: str, kind: str, audience: Audience | None) -> str:
    """Names stay among those who review; each side sees the other as a side."""
    if by.startswith("patient:"):
        return "patient"
    if by == "clock":
        return by
    insurer = kind.startswith("confirmation.")
    if audience is None or (audience == Audience.INSURER and insurer) or (audience == Audience.PREREVIEW):
        return by
    return "insurer" if insurer else "platform"
