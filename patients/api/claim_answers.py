"""An application as its patient sees it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from claims.selectors.claims import decisions_of, materials_requests_of
from claims.selectors.documents import documents_visible
from claims.selectors.letters import letters_of
from claims.selectors.timeline import next_step, timeline_of
from claims.services.readiness import checklist_of, faults_of
from claims.states import Audience, ClaimState, DecisionWord, PaperState
from patients.api.answers import NEXT, Shape

if TYPE_CHECKING:
    from claims.models import Claim


class MyBesideShape(Shape):
    whose = serializers.CharField(help_text="PATIENT, PREREVIEW, INSURER, PLATFORM or NOBODY.")
    what = serializers.CharField()
    what_zh = serializers.CharField()
    by = serializers.DateTimeField(allow_null=True)
    late = serializers.BooleanField()


class StepShape(MyBesideShape):
    also = MyBesideShape(many=True, help_text="What runs beside it and holds nothing up.")


class ClaimShape(Shape):
    id = serializers.UUIDField()
    claim_no = serializers.CharField()
    version = serializers.IntegerField()
    state = serializers.CharField()
    kind = serializers.CharField()
    person_id = serializers.UUIDField()
    policy_id = serializers.UUIDField()
    product = serializers.CharField(source="product_id")
    drug = serializers.CharField(source="drug_id")
    cycle_no = serializers.IntegerField()
    currency = serializers.CharField()
    total_minor = serializers.IntegerField()
    payable_minor = serializers.IntegerField(help_text="By the terms, before anybody decided.")
    confirmed_minor = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)


class MyClaimAnswer(ClaimShape):
    next_step = StepShape()


class MyClaimsPage(Shape):
    items = MyClaimAnswer(many=True)
    next = serializers.CharField(allow_null=True, help_text=NEXT)


class MyLineShape(Shape):
    line_no = serializers.IntegerField()
    quantity = serializers.IntegerField()
    unit_price_minor = serializers.IntegerField()
    amount_minor = serializers.IntegerField()
    basic_minor = serializers.IntegerField()
    other_minor = serializers.IntegerField()
    charity_minor = serializers.IntegerField()
    deductible_minor = serializers.IntegerField()
    ratio_basis_points = serializers.IntegerField()
    payable_minor = serializers.IntegerField()


class DocumentAnswer(Shape):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    file_name = serializers.CharField()
    media_type = serializers.CharField()
    size_bytes = serializers.IntegerField()
    issued_on = serializers.DateField(allow_null=True)
    uploaded_at = serializers.DateTimeField()
    pages = serializers.IntegerField(source="pages.count")


class DecisionShape(Shape):
    word = serializers.CharField()
    stage = serializers.CharField()
    amount_minor = serializers.IntegerField()
    currency = serializers.CharField()
    clause = serializers.CharField()
    clause_zh = serializers.CharField()
    terms_number = serializers.IntegerField()
    explanation = serializers.CharField()
    at = serializers.DateTimeField()


class AskedShape(Shape):
    number = serializers.IntegerField()
    items = serializers.ListField(child=serializers.DictField(child=serializers.CharField()))
    message = serializers.CharField()
    message_zh = serializers.CharField()
    answer_by = serializers.DateField()
    answered_at = serializers.DateTimeField(allow_null=True)
    closed_reason = serializers.CharField()


class MyEntryShape(Shape):
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    text = serializers.CharField()
    text_zh = serializers.CharField()
    who = serializers.CharField()
    on_behalf = serializers.BooleanField()


class LetterShape(Shape):
    sent_at = serializers.DateTimeField()
    text = serializers.CharField()
    text_zh = serializers.CharField()


class WholeClaimAnswer(MyClaimAnswer):
    lines = MyLineShape(many=True)
    documents = DocumentAnswer(many=True)
    decisions = DecisionShape(many=True)
    materials_requests = AskedShape(many=True)
    letters = LetterShape(many=True)
    paper = serializers.ChoiceField(choices=PaperState.choices)
    paper_courier_no = serializers.CharField(allow_blank=True)
    timeline = MyEntryShape(many=True)


class MyMaterialShape(Shape):
    kind = serializers.CharField()
    hint = serializers.CharField()
    hint_zh = serializers.CharField()
    maximum_age_days = serializers.IntegerField(allow_null=True)
    there = serializers.BooleanField()
    too_old = serializers.BooleanField()


class FaultShape(Shape):
    code = serializers.CharField()
    field = serializers.CharField()
    text = serializers.CharField()
    text_zh = serializers.CharField()


class ReadinessAnswer(Shape):
    materials = MyMaterialShape(many=True)
    faults = FaultShape(many=True)


def claim_shown(claim: Claim, *, now: datetime) -> dict[str, Any]:
    """The application in a list."""
    step = StepShape(next_step(claim=claim, now=now)).data
    return {**ClaimShape(claim).data, "next_step": step}


def whole_claim_shown(claim: Claim, *, now: datetime) -> dict[str, Any]:
    """All of it. The recommendation of the pre-review is for the insurer; the patient reads decisions."""
    decisions = [one for one in decisions_of(claim=claim) if one.word != DecisionWord.PASS]
    documents = documents_visible(claim=claim, role=Audience.PATIENT)
    return claim_shown(claim, now=now) | {
        "lines": MyLineShape(claim.lines.order_by("line_no"), many=True).data,
        "documents": DocumentAnswer(documents, many=True).data,
        "decisions": DecisionShape(decisions, many=True).data,
        "materials_requests": AskedShape(materials_requests_of(claim=claim), many=True).data,
        "letters": LetterShape(letters_of(claim=claim), many=True).data,
        "paper": claim.paper,
        "paper_courier_no": claim.paper_courier_no,
        "timeline": MyEntryShape(timeline_of(claim=claim, audience=Audience.PATIENT), many=True).data,
    }


def readiness_shown(claim: Claim, *, now: datetime) -> dict[str, Any]:
    """What has to be handed in, what of it is there, and everything that stands against filing a draft now."""
    materials = [
        {
            "kind": item.material.kind,
            "hint": item.material.hint,
            "hint_zh": item.material.hint_zh,
            "maximum_age_days": item.material.maximum_age_days,
            "there": item.there,
            "too_old": item.too_old,
        }
        for item in checklist_of(claim=claim, now=now)
    ]
    faults = faults_of(claim=claim, now=now) if claim.state == ClaimState.DRAFT else []
    return dict(ReadinessAnswer({"materials": materials, "faults": [asdict(fault) for fault in faults]}).data)
