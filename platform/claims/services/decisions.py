"""A decision as a row: what a letter or an appeal has to quote, checked before it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from claims.models import Claim, Decision
from claims.states import DecisionWord, Stage
from core.errors import Conflict, Problem
from core.ids import uuid7


class DecisionInvalid(Problem):
    code = "decision_invalid"
    status = 422
    title = "The decision cannot stand like this"
    detail = "{explanation}"
    detail_zh = "该决定无效：{explanation_zh}"
    fix = "Correct what the detail names; the claim was not touched."
    fix_zh = "请按说明更正；该申请未作任何变更。"


class DecisionNumberUsed(Conflict):
    code = "decision_number_used"
    title = "That number stands for another decision"
    detail = "Decision {external_no} on claim {claim_no} was taken with another content."
    detail_zh = "理赔申请 {claim_no} 的决定编号 {external_no} 已用于内容不同的决定。"
    fix = "Send a correction under a new number, after the claim was reopened."
    fix_zh = "请先重新打开该申请，再以新的编号发送更正。"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionDraft:
    """`amount_minor`: recommended or confirmed, 0 on a refusal. `lines`: [{line_no, amount_minor, clause}].

    `by` is the name for sign-in, `seconded_by` the second name where an authority needs one. `external_no` and `digest`
    (SHA-256, hex) are those of an insurer's message.
    """

    word: DecisionWord
    by: str
    amount_minor: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    reason_code: str = ""
    clause: str = ""
    clause_zh: str = ""
    explanation: str = ""
    risk: str = ""
    external_no: str | None = None
    digest: str = ""
    seconded_by: str = ""


def decision_known(*, claim: Claim, draft: DecisionDraft) -> Decision | None:
    """The decision that was stored under the same number with the same content. Raises DecisionNumberUsed."""
    if draft.external_no is None:
        return None
    stored = Decision.objects.filter(claim=claim, external_no=draft.external_no).first()
    if stored is None:
        return None
    same = (stored.word, stored.amount_minor, stored.digest) == (draft.word, draft.amount_minor, draft.digest)
    if not same:
        raise DecisionNumberUsed(claim_no=claim.claim_no, external_no=draft.external_no)
    return stored


def decision_write(
    *, claim: Claim, draft: DecisionDraft, stage: Stage, now: datetime, delegated: bool = False
) -> Decision:
    """Append the decision. Raises DecisionInvalid."""
    decision_check(claim=claim, draft=draft)
    if claim.terms is None:
        raise RuntimeError(f"claim {claim.claim_no} was filed without terms")
    return Decision.objects.create(
        id=uuid7(now),
        claim=claim,
        episode=claim.episode,
        stage=stage,
        word=draft.word,
        amount_minor=draft.amount_minor,
        currency=claim.currency,
        lines=draft.lines,
        reason_code=draft.reason_code,
        clause=draft.clause,
        clause_zh=draft.clause_zh,
        terms_number=claim.terms.number,
        explanation=draft.explanation,
        risk=draft.risk,
        delegated=delegated,
        external_no=None if delegated else draft.external_no,
        digest=draft.digest,
        by=draft.by,
        seconded_by=draft.seconded_by,
        at=now,
    )


def decision_check(*, claim: Claim, draft: DecisionDraft) -> None:
    """Whether it can be written: names, clause, amounts. Raises DecisionInvalid."""
    if not draft.by or draft.by == draft.seconded_by:
        raise DecisionInvalid(
            explanation="A decision names who made it, and is seconded by somebody else.",
            explanation_zh="决定必须署名，且复核人不能为同一人。",
        )
    if draft.word in (DecisionWord.DECLINE, DecisionWord.APPROVE_PARTLY) and not draft.clause.strip():
        raise DecisionInvalid(
            explanation="A refusal, also in part, quotes its clause.", explanation_zh="拒绝或部分拒绝必须引用条款。"
        )
    if type(draft.amount_minor) is not int or not 0 <= draft.amount_minor <= claim.payable_minor:
        raise DecisionInvalid(
            explanation=f"The amount lies outside 0 to {claim.payable_minor}, the payable by the terms.",
            explanation_zh=f"金额须在 0 至按条款应付金额 {claim.payable_minor} 之间（最小货币单位）。",
        )
    if draft.lines:
        _check_lines(claim, draft)


def _check_lines(claim: Claim, draft: DecisionDraft) -> None:
    known = set(claim.lines.values_list("line_no", flat=True))
    named = [line.get("line_no") for line in draft.lines]
    amounts = [line.get("amount_minor", -1) for line in draft.lines]
    if len(named) != len(set(named)) or not set(named) <= known:
        raise DecisionInvalid(
            explanation="A line is named twice, or is none of the claim's.",
            explanation_zh="行号重复，或不属于该申请。",
        )
    if any(type(amount) is not int or amount < 0 for amount in amounts) or sum(amounts) != draft.amount_minor:
        raise DecisionInvalid(
            explanation="The amounts of the lines do not sum to the amount of the decision.",
            explanation_zh="各行金额之和与决定金额不一致。",
        )
