"""Claims of the demo, filed and brought into every state of the review by the services that people's pages call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

from PIL import Image, ImageDraw

from claims.selectors.claims import claims_of_persons
from claims.services.decisions import DecisionDraft
from claims.services.documents import document_add
from claims.services.drafts import ClaimDraft, LineDraft, claim_draft, claim_submit
from claims.services.ends import appeal_decide, claim_appeal, claim_close, claim_reopen, claim_withdraw
from claims.services.materials import materials_request
from claims.services.review import claim_investigate, confirmation_decide, prereview_decline, prereview_pass
from claims.states import DecisionWord, Stage
from core.ids import new_trace_id
from ops.specialty_world import CLAUSES, DRUGS, PRODUCTS, DemoPerson, people
from prereview.services.take import claim_take
from registry.selectors.persons import person_by_identity
from registry.selectors.policies import policies_of
from registry.selectors.products import product_day
from registry.states import DocumentKind

REVIEWER, CLERK, CHIEF = "reviewer", "clerk", "chief"
KINDS = (
    DocumentKind.ID_CARD,
    DocumentKind.PRESCRIPTION,
    DocumentKind.DIAGNOSIS_CERTIFICATE,
    DocumentKind.PATHOLOGY,
)
Act = Callable[["_Filed"], None]


class _Filed:
    """A claim of the demo on its way: `claim` is what the last act has returned."""

    def __init__(self, person: DemoPerson, *, now: datetime) -> None:
        self.person, self.now, self.trace_id = person, now, new_trace_id()
        found = person_by_identity(id_type="01", id_no=person.id_no, now=now)
        if found is None:
            raise LookupError(f"demo person {person.number} is not registered")
        self.patient = f"patient:{found.pk}"
        self.claim: Any = claim_draft(draft=self._draft(found.pk), by=self.patient, now=now, trace_id=self.trace_id)

    def _draft(self, person_id: UUID) -> ClaimDraft:
        drug = DRUGS[self.person.number % len(DRUGS)]
        [policy, *_] = policies_of(person_id=person_id)
        today = product_day(product=policy.product, now=self.now)
        price_minor = drug[5]
        line = LineDraft(quantity=1, unit_price_minor=price_minor, basic_minor=price_minor * 4 // 10)
        return ClaimDraft(
            person_id=person_id,
            policy_id=policy.pk,
            drug_code=drug[0],
            lines=(line,),
            icd10=f"{drug[7][0]}.9",
            diagnosed_on=today - timedelta(days=60 + self.person.number),
            service_on=today,
            days_of_supply=30,
        )

    @property
    def sign(self) -> dict[str, Any]:
        return {"claim_id": self.claim.pk, "now": self.now, "trace_id": self.trace_id}

    @property
    def versioned(self) -> dict[str, Any]:
        self.claim = claims_of_persons(person_ids=[self.claim.person_id]).get(pk=self.claim.pk)
        return {**self.sign, "version": self.claim.version}

    def decision(self, word: DecisionWord, by: str, **values: Any) -> DecisionDraft:
        """A refusal quotes the clause under which the drug is listed."""
        clause, clause_zh = CLAUSES[DRUGS[self.person.number % len(DRUGS)][6]]
        return DecisionDraft(word=word, by=by, clause=clause, clause_zh=clause_zh, **values)


def _submit(filed: _Filed) -> None:
    for kind in KINDS:
        document_add(
            claim_id=filed.claim.pk,
            kind=kind,
            content=demo_paper(f"{kind} {filed.claim.claim_no}"),
            file_name=f"{kind.lower()}.png",
            issued_on=product_day(product=filed.claim.product, now=filed.now),
            by=filed.patient,
            now=filed.now,
        )
    claim_submit(by=filed.patient, **filed.sign)


def _begin(filed: _Filed) -> None:
    _submit(filed)
    claim_take(**filed.sign)


def _ask(filed: _Filed) -> None:
    _begin(filed)
    reason = {"kind": DocumentKind.GENE_TEST.value, "reason": "The drug needs it.", "reason_zh": "该药用药需要。"}
    materials_request(
        stage=Stage.PREREVIEW,
        items=[reason],
        message="Please hand in the report of the gene test; your doctor has it.",
        message_zh="请补充基因检测报告，可向就诊医生索取。",
        answer_by=product_day(product=filed.claim.product, now=filed.now) + timedelta(days=30),
        by=REVIEWER,
        **filed.versioned,
    )


def _pass(filed: _Filed) -> None:
    _begin(filed)
    versioned = filed.versioned
    decision = filed.decision(DecisionWord.PASS, REVIEWER, amount_minor=filed.claim.payable_minor)
    prereview_pass(decision=decision, **versioned)


def _decline_in_prereview(filed: _Filed) -> None:
    _begin(filed)
    prereview_decline(decision=filed.decision(DecisionWord.DECLINE, REVIEWER), **filed.versioned)


def _investigate(filed: _Filed) -> None:
    _pass(filed)
    claim_investigate(by=CLERK, reason="asked at the hospital", **filed.versioned)


def _decide(word: DecisionWord, share: int) -> Act:
    def act(filed: _Filed) -> None:
        _pass(filed)
        versioned = filed.versioned
        amount_minor = filed.claim.recommended_minor * share // 100
        decision = filed.decision(word, CLERK, amount_minor=amount_minor)
        confirmation_decide(decision=decision, **versioned)

    return act


_approve = _decide(DecisionWord.APPROVE, 100)
_approve_partly = _decide(DecisionWord.APPROVE_PARTLY, 50)
_decline = _decide(DecisionWord.DECLINE, 0)


def _appeal(filed: _Filed) -> None:
    _decline(filed)
    claim_appeal(by=filed.patient, reason="a second opinion is in the papers", **filed.sign)


def _appeal_won(filed: _Filed) -> None:
    _appeal(filed)
    decision = filed.decision(DecisionWord.REOPEN, CHIEF)
    appeal_decide(uphold=False, decision=decision, **filed.versioned)


def _reopen(filed: _Filed) -> None:
    _approve(filed)
    claim_reopen(by=CLERK, reason="the amount is looked at anew", **filed.versioned)


def _withdraw(filed: _Filed) -> None:
    _begin(filed)
    claim_withdraw(by=filed.patient, **filed.sign)


def _close(filed: _Filed) -> None:
    _approve(filed)
    claim_close(by="settlement", reason="paid", **filed.sign)


def _nothing_more(_: _Filed) -> None:
    """A draft."""


# Persons of the product that its insurer confirms; one act each, in the order of their numbers.
CONFIRMED_BY_INSURER: tuple[Act, ...] = (
    *(_nothing_more, _submit, _begin, _begin, _ask, _pass, _pass, _pass, _decline_in_prereview, _investigate),
    *(_approve, _approve_partly, _decline, _appeal, _appeal_won, _reopen, _withdraw, _close),
)
DELEGATED: tuple[Act, ...] = (_begin, _begin, _begin, _pass, _pass, _ask)


def specialty_claims_seed(*, now: datetime) -> int:
    """File the demo's claims where there are none yet; returns how many were filed."""
    filed = 0
    for person, act in _plan():
        found = person_by_identity(id_type="01", id_no=person.id_no, now=now)
        if found is not None and not claims_of_persons(person_ids=[found.pk]).exists():
            act(_Filed(person, now=now))
            filed += 1
    return filed


def _plan() -> Iterator[tuple[DemoPerson, Act]]:
    crowd = list(people())
    yield from zip(crowd[0 :: len(PRODUCTS)], DELEGATED, strict=False)
    yield from zip(crowd[1 :: len(PRODUCTS)], CONFIRMED_BY_INSURER, strict=False)


def demo_paper(text: str) -> bytes:
    """A page that says what it is: no paper of anybody."""
    page = Image.new("RGB", (620, 877), "white")
    draw = ImageDraw.Draw(page)
    draw.text((60, 60), "DEMO", fill="#1d4ed8", font_size=40)
    draw.text((60, 130), text, fill="black", font_size=22)
    draw.text((60, 170), "Invented for the demonstration.", fill="black", font_size=18)
    content = BytesIO()
    page.save(content, "PNG")
    return content.getvalue()
