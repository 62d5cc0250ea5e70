"""Letters with reasons as the patient reads them, in English and Chinese."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from claims.models import Claim, ClaimEvent, Decision
from claims.states import DecisionWord


@dataclass(frozen=True, slots=True)
class Letter:
    sent_at: datetime
    text: str
    text_zh: str


def letters_of(*, claim: Claim) -> list[Letter]:
    """The latest first. Every word rests on append-only rows: the decision and the entry of the timeline."""
    decisions = {str(one.pk): one for one in claim.decisions.all()}
    sent = claim.events.filter(kind="letter.sent").order_by("-id")
    return [_letter(claim, event, decisions[event.details["decision"]]) for event in sent]


def _letter(claim: Claim, event: ClaimEvent, decision: Decision) -> Letter:
    partly = decision.word == DecisionWord.APPROVE_PARTLY
    facts = event.details
    english = [
        f"Application {claim.claim_no} was {'confirmed in part' if partly else 'declined'}.",
        f"The clause it rests on: {decision.clause} (terms version {decision.terms_number}).",
        f"The drug list that counts: version {facts['list_number']}, of {facts['list_on']}.",
        f"In plain words: {decision.explanation}" if decision.explanation else "",
    ]
    chinese = [
        f"理赔申请 {claim.claim_no} {'获部分确认' if partly else '未获通过'}。",
        f"依据条款：{decision.clause_zh or decision.clause}（条款第 {decision.terms_number} 版）。",
        f"适用药品目录：第 {facts['list_number']} 版，目录日期 {facts['list_on']}。",
        f"说明：{decision.explanation}" if decision.explanation else "",
    ]
    if facts["appeal_by"]:
        english.append(
            f"You may appeal until {facts['appeal_by']}, that day included: choose Appeal in this application, or ask "
            "customer service to do it with you. Another person decides."
        )
        chinese.append(
            f"您可在 {facts['appeal_by']}（含当日）前提出申诉：在本申请中选择“申诉”，或由客服协助办理。"
            "申诉由另一位审核人员处理。"
        )
    english.append("You may also turn to the insurer's complaints office or the supervisory authority.")
    chinese.append("您也可向保险公司投诉部门或监管机构反映。")
    return Letter(event.at, "\n".join(filter(None, english)), "\n".join(filter(None, chinese)))
