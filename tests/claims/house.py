"""A claim in whatever state, brought there by the services; reviewers, an insurer's clerk, a patient and a stranger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from claims.models import Claim, Document, MaterialsRequest
from claims.services.decisions import DecisionDraft
from claims.services.documents import document_add
from claims.services.drafts import ClaimDraft, LineDraft, claim_draft, claim_submit
from claims.services.ends import appeal_decide, claim_appeal, claim_close, claim_reopen, claim_withdraw
from claims.services.materials import materials_request
from claims.services.review import (
    claim_investigate,
    confirmation_decide,
    prereview_begin,
    prereview_decline,
    prereview_pass,
)
from claims.states import ClaimState, DecisionWord, Stage
from core.ids import new_trace_id
from registry.models import Person, Policy
from registry.states import DocumentKind
from tests.claims import papers
from tests.registry.house import NOW, TODAY, Shelf
from tests.roles import rows

S = ClaimState
PATIENT = "patient"
REVIEWER, COLLEAGUE, SUPERVISOR, CLERK, CLERK_TWO = "rev-1", "rev-2", "rev-boss", "clerk-1", "clerk-2"
PRICE, BASIC, OTHER = 1_000_000, 400_000, 100_000  # The example of the design, in fen: payable 4,000.00.
PAYABLE = 400_000
TRACE = new_trace_id()
CLAUSE = {"clause": "Article 5.2", "clause_zh": "第5.2条", "reason_code": "not_covered"}


def draft_of(shelf: Shelf, **changes: Any) -> ClaimDraft:
    """What the patient of the shelf says: two boxes, 10,000.00 together."""
    line = LineDraft(quantity=2, unit_price_minor=PRICE // 2, basic_minor=BASIC, other_minor=OTHER)
    values: dict[str, Any] = {
        "person_id": shelf.person.pk,
        "policy_id": shelf.policy.pk,
        "drug_code": shelf.drug.pk,
        "lines": (line,),
        "icd10": "C50.9",
        "diagnosed_on": date(2026, 10, 1),
        "days_of_supply": 21,
    }
    return ClaimDraft(**(values | changes))


def drafted(shelf: Shelf, *, now: datetime = NOW, complete: bool = True, **changes: Any) -> Claim:
    """A draft, with all that its checklist names."""
    claim = claim_draft(draft=draft_of(shelf, **changes), by=PATIENT, now=now, trace_id=TRACE)
    if complete:
        uploaded(claim, DocumentKind.ID_CARD, now=now)
        uploaded(claim, DocumentKind.PRESCRIPTION, issued_on=now.date(), now=now)
    return claim


def uploaded(
    claim: Claim, kind: DocumentKind, *, issued_on: date | None = None, now: datetime = NOW, content: bytes = b""
) -> Document:
    # Each paper has its own bytes, else it would be the same paper.
    shade = f"#{len(kind):02x}{claim.documents.count():02x}99"
    return document_add(
        claim_id=claim.pk,
        kind=kind,
        content=content or papers.photo(papers.picture(40, 30, shade)),
        file_name="paper.jpg",
        issued_on=issued_on,
        by=PATIENT,
        now=now,
    )


def filed(shelf: Shelf, *, now: datetime = NOW, **changes: Any) -> Claim:
    return claim_submit(claim_id=drafted(shelf, now=now, **changes).pk, by=PATIENT, now=now, trace_id=TRACE)


def fresh(claim: Claim) -> Claim:
    return Claim.objects.get(pk=claim.pk)


def passing(amount: int = PAYABLE, by: str = REVIEWER, **changes: Any) -> DecisionDraft:
    return DecisionDraft(word=DecisionWord.PASS, by=by, amount_minor=amount, **({"risk": "LOW"} | changes))


def approving(amount: int = PAYABLE, by: str = CLERK, **changes: Any) -> DecisionDraft:
    return DecisionDraft(word=DecisionWord.APPROVE, by=by, amount_minor=amount, **changes)


def approving_part(amount: int = PAYABLE // 2, by: str = CLERK, **changes: Any) -> DecisionDraft:
    return DecisionDraft(word=DecisionWord.APPROVE_PARTLY, by=by, amount_minor=amount, **(CLAUSE | changes))


def declining(by: str = CLERK, **changes: Any) -> DecisionDraft:
    return DecisionDraft(word=DecisionWord.DECLINE, by=by, **(CLAUSE | changes))


def asked(claim: Claim, *, by: str = REVIEWER, now: datetime = NOW, **changes: Any) -> MaterialsRequest:
    """The patient is asked for a pathology report, by the claim's stage."""
    values: dict[str, Any] = {
        "version": fresh(claim).version,
        "stage": Stage(fresh(claim).stage),
        "items": [{"kind": "PATHOLOGY", "reason": "To see the type.", "reason_zh": "需确认类型。"}],
        "message": "Please send the pathology report.",
        "message_zh": "请补交病理报告。",
        "answer_by": TODAY + timedelta(days=14),
    }
    return materials_request(claim_id=claim.pk, by=by, now=now, trace_id=TRACE, **(values | changes))


def begun(claim: Claim, *, now: datetime = NOW, **changes: Any) -> Claim:
    return prereview_begin(claim_id=claim.pk, by="rules", now=now, trace_id=TRACE, **changes)


def passed(claim: Claim, *, now: datetime = NOW, **changes: Any) -> Claim:
    version = fresh(claim).version
    prereview_pass(claim_id=claim.pk, version=version, decision=passing(**changes), now=now, trace_id=TRACE)
    return fresh(claim)


def decided(claim: Claim, decision: DecisionDraft, *, now: datetime = NOW) -> Claim:
    version = fresh(claim).version
    confirmation_decide(claim_id=claim.pk, version=version, decision=decision, now=now, trace_id=TRACE)
    return fresh(claim)


def declined_in_prereview(claim: Claim, *, now: datetime = NOW) -> Claim:
    version = fresh(claim).version
    prereview_decline(claim_id=claim.pk, version=version, decision=declining(REVIEWER), now=now, trace_id=TRACE)
    return fresh(claim)


def appealed(claim: Claim, *, now: datetime = NOW) -> Claim:
    return claim_appeal(claim_id=claim.pk, by=PATIENT, reason="disagrees", now=now, trace_id=TRACE)


def appeal_decided(claim: Claim, *, uphold: bool, by: str = COLLEAGUE, now: datetime = NOW) -> Claim:
    word = DecisionWord.UPHOLD if uphold else DecisionWord.REOPEN
    draft = DecisionDraft(word=word, by=by, explanation="Looked at again.")
    appeal_decide(
        claim_id=claim.pk, version=fresh(claim).version, uphold=uphold, decision=draft, now=now, trace_id=TRACE
    )
    return fresh(claim)


def reopened(claim: Claim, *, by: str = CLERK, now: datetime = NOW) -> Claim:
    version = fresh(claim).version
    return claim_reopen(claim_id=claim.pk, version=version, reason="new facts", by=by, now=now, trace_id=TRACE)


def withdrawn(claim: Claim, *, now: datetime = NOW) -> Claim:
    return claim_withdraw(claim_id=claim.pk, by=PATIENT, now=now, trace_id=TRACE)


def closed(claim: Claim, *, now: datetime = NOW) -> Claim:
    return claim_close(claim_id=claim.pk, by="settlement", reason="paid", now=now, trace_id=TRACE)


def investigated(claim: Claim, *, by: str = REVIEWER, now: datetime = NOW) -> Claim:
    version = fresh(claim).version
    return claim_investigate(claim_id=claim.pk, version=version, reason="hospital", by=by, now=now, trace_id=TRACE)


def in_prereview(shelf: Shelf, **changes: Any) -> Claim:
    return begun(filed(shelf, **changes))


def in_confirmation(shelf: Shelf, **changes: Any) -> Claim:
    return passed(in_prereview(shelf, **changes))


def with_materials_requested(shelf: Shelf) -> Claim:
    claim = in_prereview(shelf)
    asked(claim)
    return fresh(claim)


def resting(claim: Claim, state: ClaimState) -> Claim:
    """A state through which the services only pass: as a crash of an older version might have left it."""
    rows("SET CONSTRAINTS ALL IMMEDIATE")
    rows("ALTER TABLE claims_claim DISABLE TRIGGER USER")
    rows("UPDATE claims_claim SET state = %s WHERE id = %s", [state.value, claim.pk])
    rows("ALTER TABLE claims_claim ENABLE TRIGGER USER")
    return fresh(claim)


IN: dict[ClaimState, Callable[[Shelf], Claim]] = {
    S.DRAFT: drafted,
    S.SUBMITTED: filed,
    S.IN_PREREVIEW: in_prereview,
    S.MATERIALS_REQUESTED: with_materials_requested,
    S.PREREVIEW_PASSED: lambda shelf: resting(in_confirmation(shelf), S.PREREVIEW_PASSED),
    S.PREREVIEW_DECLINED: lambda shelf: declined_in_prereview(in_prereview(shelf)),
    S.IN_CONFIRMATION: in_confirmation,
    S.INVESTIGATION: lambda shelf: investigated(in_prereview(shelf)),
    S.CONFIRMED: lambda shelf: decided(in_confirmation(shelf), approving()),
    S.PARTLY_CONFIRMED: lambda shelf: decided(in_confirmation(shelf), approving_part()),
    S.DECLINED: lambda shelf: decided(in_confirmation(shelf), declining()),
    S.APPEALED: lambda shelf: appealed(decided(in_confirmation(shelf), declining())),
    S.REOPENED: lambda shelf: resting(in_confirmation(shelf), S.REOPENED),
    S.WITHDRAWN: lambda shelf: withdrawn(in_prereview(shelf)),
    S.CLOSED: lambda shelf: closed(decided(in_confirmation(shelf), approving())),
}


def held_and_used(policy: Policy, person: Person) -> dict[str, tuple[int, int]]:
    """Of each benefit of the person what is held and what is used."""
    found = rows(
        "SELECT kind, held_minor, used_minor FROM registry_benefitaccount WHERE policy_id = %s AND person_id = %s",
        [policy.pk, person.pk],
    )
    return {kind: (held, used) for kind, held, used in found}
