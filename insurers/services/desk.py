"""What every act of an insurer's clerk begins with: is it his claim, and is it within his authority."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from accounts.states import Role
from claims.selectors.claims import claims_visible_to
from core.errors import Conflict, Forbidden, NotFound, Problem
from insurers.models import Authority
from insurers.selectors.authority import authority_of

if TYPE_CHECKING:
    from accounts.models import User
    from claims.models import Claim


class NoAuthority(Conflict):
    code = "no_authority"
    status = 403
    title = "Outside your authority"
    detail = "You have no authority over {product}, {drug}, {amount_minor} {currency} (minor units)."
    detail_zh = "您没有 {product}、{drug}、金额 {amount_minor} {currency}（最小货币单位）的审批权限。"
    fix = "Give the case to a colleague who has, or ask your administrator."
    fix_zh = "请交由有权限的同事处理，或联系管理员授权。"


class DecisionUnclear(Problem):
    code = "decision_unclear"
    status = 422
    title = "The decision cannot be taken like this"
    detail = "{explanation}"
    detail_zh = "该决定不明确：{explanation_zh}"
    fix = "Correct what the detail names; nothing was decided."
    fix_zh = "请按说明更正；尚未作出任何决定。"


def stake_minor(claim: Claim) -> int:
    """What a decision on this claim is about, whatever it says: a refusal weighs as much as the payment refused."""
    return claim.payable_minor if claim.recommended_minor is None else claim.recommended_minor


def claim_of(claim_id: UUID, user: User) -> Claim:
    """The claim, when the user is a clerk of the insurer that leads it. Raises NotFound, Forbidden."""
    claim = claims_visible_to(user=user).filter(pk=claim_id).first()
    if claim is None:
        raise NotFound(noun="claim", noun_zh="理赔", key=claim_id)
    if claim.organisation_id != user.organisation_id or not user.has_role(Role.INSURER_CLERK):
        raise Forbidden(subject="user", act="decide this claim")
    return claim


def authority_over(claim: Claim, user: User) -> Authority:
    """The line of the matrix that counts. Raises NoAuthority."""
    line = authority_of(
        user_id=user.pk, product_code=claim.product_id, drug_code=claim.drug_id, currency=claim.currency
    )
    if line is None:
        raise no_authority(claim, stake_minor(claim))
    return line


def alone_over(claim: Claim, user: User) -> None:
    """Raises NoAuthority where the user could not decide the claim without a second name."""
    if authority_over(claim, user).alone_minor < stake_minor(claim):
        raise no_authority(claim, stake_minor(claim))


def no_authority(claim: Claim, amount_minor: int) -> NoAuthority:
    """The refusal, with what it is about."""
    return NoAuthority(product=claim.product_id, drug=claim.drug_id, amount_minor=amount_minor, currency=claim.currency)
