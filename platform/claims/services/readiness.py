"""Whether a draft can be filed: everything that is missing at once, so that the patient is asked one time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from claims.models import Claim
from claims.selectors.place import place_of, service_day
from core.clock import years_before
from registry.selectors.policies import cover_on
from registry.selectors.prescriptions import prescription_fault
from registry.selectors.products import product_day
from registry.selectors.terms import terms_on, terms_read
from registry.states import ClaimKind, DocumentKind
from registry.terms import Material, TermsOfProduct

if TYPE_CHECKING:
    from registry.models import Terms

PRESCRIPTION_FAULTS = {
    "foreign": ("The prescription is for somebody else.", "处方不属于该申请人。"),
    "other_drug": ("The prescription is for another drug.", "处方药品与申请药品不符。"),
    "not_yet_issued": ("The prescription is dated after the day of service.", "处方日期晚于服务日期。"),
    "expired": ("The prescription has expired.", "处方已过有效期。"),
    "filled_up": ("The prescription was filled as often as it allows.", "处方已按次数用完。"),
    "too_soon": ("The prescription may not be filled again yet.", "未到处方规定的再次取药时间。"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend. `field` names the input, or the kind of document."""

    code: str
    field: str
    text: str
    text_zh: str

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "field": self.field, "text": self.text, "text_zh": self.text_zh}


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """A material that the terms ask for, and whether a live document of that kind is there and young enough."""

    material: Material
    there: bool
    too_old: bool


def checklist_of(*, claim: Claim, now: datetime) -> list[ChecklistItem]:
    """What has to be handed in, before the patient starts and while he collects; empty without terms for the day."""
    terms = terms_on(product_code=claim.product_id, on=service_day(claim=claim, now=now))
    return [] if terms is None else _checklist(claim, terms_read(terms=terms), now)


def _checklist(claim: Claim, terms: TermsOfProduct, now: datetime) -> list[ChecklistItem]:
    today = product_day(product=claim.product, now=now)
    materials = terms.checklist(drug=claim.drug_id, kind=ClaimKind(claim.kind))
    if not materials:
        return []
    live = claim.documents.filter(withdrawn_at__isnull=True, replaced_by__isnull=True)
    dates: dict[str, list[date | None]] = {}
    for kind, issued_on in live.values_list("kind", "issued_on"):
        dates.setdefault(kind, []).append(issued_on)
    return [_item(material, dates.get(material.kind, []), today) for material in materials]


def faults_of(*, claim: Claim, now: datetime, terms: Terms | None = None) -> list[Fault]:
    """All that stands against filing the claim now; empty when it can be filed.

    `terms`: those of the day of service, where the caller has just read them.
    """
    on = service_day(claim=claim, now=now)
    today = product_day(product=claim.product, now=now)
    terms = terms or terms_on(product_code=claim.product_id, on=on)
    if terms is None:
        return [Fault("no_terms", "service_on", f"No terms are in force on {on}.", f"{on} 无生效条款。")]
    read = terms_read(terms=terms)
    return [
        *_dates(claim, read, on, today),
        *_cover(claim, read, on),
        *_drug(claim, terms, now),
        *_quantities(claim, read),
        *_bases(claim, on),
        *_documents(claim, read, now),
    ]


def _dates(claim: Claim, terms: TermsOfProduct, on: date, today: date) -> Iterator[Fault]:
    if on > today:
        yield Fault("service_in_future", "service_on", "The day of service lies in the future.", "服务日期晚于今天。")
    diagnosed = claim.diagnosed_on
    if diagnosed is None:
        yield Fault("diagnosis_date_missing", "diagnosed_on", "Say when it was diagnosed.", "请填写确诊日期。")
    elif diagnosed > on:
        text = "The diagnosis is dated after the day of service."
        yield Fault("diagnosis_in_future", "diagnosed_on", text, "确诊日期晚于服务日期。")
    elif diagnosed < years_before(on, terms.diagnosis_window_years):
        years = terms.diagnosis_window_years
        text = f"The diagnosis is older than {years} years."
        yield Fault("diagnosis_too_old", "diagnosed_on", text, f"确诊日期早于 {years} 年。")


def _cover(claim: Claim, terms: TermsOfProduct, on: date) -> Iterator[Fault]:
    cover = cover_on(policy=claim.policy, person_id=claim.person_id, on=on, terms=terms)
    if cover.member is None:
        yield Fault("not_on_policy", "policy_id", "You are not insured by this policy.", "您不是该保单的被保险人。")
    elif not (cover.in_force or cover.in_grace):
        text = f"The policy does not cover {on}."
        yield Fault("policy_not_in_force", "policy_id", text, f"保单在 {on} 不在有效期内。")
    elif cover.waiting_until is not None:
        until = cover.waiting_until
        text = f"The waiting days of the policy last until {until}."
        yield Fault("waiting", "service_on", text, f"保单等待期至 {until}。")


def _drug(claim: Claim, terms: Terms, now: datetime) -> Iterator[Fault]:
    place = place_of(claim=claim, now=now, terms=terms)
    if place is None:
        text = f"{claim.drug_id} is not on the product's list of that day."
        yield Fault("not_listed", "drug", text, f"{claim.drug_id} 不在当日药品目录内。")
    elif not claim.icd10:
        yield Fault("diagnosis_missing", "icd10", "The diagnosis code is missing.", "缺少诊断编码。")
    elif not place.listed.indicated(claim.icd10):
        text = "The list does not name this diagnosis for the drug."
        yield Fault("not_indicated", "icd10", text, "该药品目录适应症不包含此诊断。")


def _quantities(claim: Claim, terms: TermsOfProduct) -> Iterator[Fault]:
    if not claim.lines.exists() or claim.total_minor <= 0:
        yield Fault("nothing_claimed", "lines", "Say what is claimed, with its price.", "请填写申请明细及价格。")
    if not 0 < claim.days_of_supply <= terms.days_of_supply_most:
        most = terms.days_of_supply_most
        text = f"One claim is for 1 to {most} days of supply."
        yield Fault("days_of_supply", "days_of_supply", text, f"一次申请的用药天数须为 1 至 {most} 天。")


def _bases(claim: Claim, on: date) -> Iterator[Fault]:
    """The prescription and the authorisation it rests on are this person's, for this drug, and valid."""
    prescription, authorisation = claim.prescription, claim.authorisation
    if prescription is not None:
        foreign = prescription.person_id != claim.person_id
        fault = "foreign" if foreign else prescription_fault(prescription=prescription, drug=claim.drug, on=on)
        if fault:
            text, text_zh = PRESCRIPTION_FAULTS[fault]
            yield Fault(f"prescription_{fault}", "prescription_id", text, text_zh)
    if authorisation is not None:
        mine = (authorisation.person_id, authorisation.policy_id, authorisation.drug_id)
        if mine != (claim.person_id, claim.policy_id, claim.drug_id):
            text = "The authorisation is for somebody or something else."
            yield Fault("authorisation_foreign", "authorisation_id", text, "用药授权与本次申请不符。")
        elif authorisation.state != "ACTIVE" or not authorisation.valid_from <= on <= authorisation.valid_until:
            text = f"The authorisation is not valid on {on}."
            yield Fault("authorisation_not_valid", "authorisation_id", text, f"用药授权在 {on} 无效。")
        elif not authorisation.cycles_used < claim.cycle_no <= authorisation.cycles:
            text = "That cycle is used already, or none of the authorisation."
            yield Fault("cycle", "cycle_no", text, "该周期已使用或不在授权周期内。")
    elif claim.kind == ClaimKind.RENEWAL:
        text = "A renewal names the authorisation that it continues."
        yield Fault("authorisation_missing", "authorisation_id", text, "续用申请须注明用药授权。")


def _documents(claim: Claim, terms: TermsOfProduct, now: datetime) -> Iterator[Fault]:
    for item in _checklist(claim, terms, now):
        label = DocumentKind(item.material.kind).value
        if not item.there:
            yield Fault("document_missing", label, f"{label} is missing.", f"缺少材料：{label}。")
        elif item.too_old:
            days = item.material.maximum_age_days
            text = f"{label} is older than {days} days, or its date is not given."
            yield Fault("document_too_old", label, text, f"材料 {label} 超过 {days} 天或未填写日期。")


def _item(material: Material, dates: list[date | None], today: date) -> ChecklistItem:
    age = material.maximum_age_days
    young = age is None or any(
        issued is not None and today - timedelta(days=age) <= issued <= today for issued in dates
    )
    return ChecklistItem(material, there=bool(dates), too_old=bool(dates) and not young)
