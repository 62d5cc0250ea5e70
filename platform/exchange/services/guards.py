"""What a bill admits: checked under its row lock when a wish arrives, never for moves that follow from proof."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from core.errors import Conflict, Problem
from exchange.models import Transaction
from exchange.selectors.interfaces import InterfaceFacts, facts_of
from exchange.selectors.transactions import BillWish, KnownWish, answers_of
from exchange.states import OPEN, CancelWindow, OperationClass, TransactionState

S = TransactionState
REPLACEABLE = (S.REVERSED, S.REJECTED, S.NOT_SENT, S.CANCELLED)
RETRIABLE = (S.NOT_SENT, S.REJECTED)


class BillBusy(Conflict):
    code = "bill_has_open_wish"
    title = "Another wish for this bill is under way"
    detail = "{other} for this bill has not ended; it is in `transaction`."
    detail_zh = "该账单的交易 {other} 尚未结束，详见 transaction。"
    fix = "Wait for its verdict. Do not settle the bill a second time."
    fix_zh = "请等待该交易的结果，不要对同一账单再次结算。"


class BillSettled(Conflict):
    code = "bill_already_settled"
    title = "This bill is settled already"
    detail = "{other} settled this bill; it is in `transaction`."
    detail_zh = "该账单已由 {other} 结算，详见 transaction。"
    fix = "To settle a further part of the bill, name a bill.batch_no that is not settled yet."
    fix_zh = "如需结算该账单的其他部分，请填写尚未结算的 bill.batch_no。"


class ReferenceUnknown(Problem):
    code = "reference_unknown"
    status = 422
    title = "The wish that is named is not known"
    detail = "`{member}` names {other}, which is no such wish of your organisation."
    detail_zh = "{member} 指向的 {other} 在本机构不存在或类型不符。"
    fix = "Name the his_no of the wish that is meant."
    fix_zh = "请填写所指交易的 HIS 流水号。"


class OnAnotherBill(Conflict):
    code = "reference_on_other_bill"
    title = "The wish that is named belongs to another bill"
    detail = "{other} belongs to another bill; it is in `transaction`."
    detail_zh = "{other} 属于另一张账单，详见 transaction。"
    fix = "Send the wish with the same visit_no and bill_no as the one it follows."
    fix_zh = "请使用与所指交易相同的就诊号和账单号。"


class CannotBeReplaced(Conflict):
    code = "cannot_be_replaced"
    title = "The wish that is named cannot be followed yet"
    detail = (
        "{other} is {state}; it is in `transaction`. Only one that has ended without being settled can be followed."
    )
    detail_zh = "{other} 当前为 {state}，详见 transaction；只有已结束且未生效的交易才能被替代或重试。"
    fix = "Wait until it has ended (GET says so), then send this wish again under a new Idempotency-Key."
    fix_zh = "请等待其结束（可用 GET 查询），再以新的 Idempotency-Key 重新提交。"


class AlreadyFollowed(Conflict):
    code = "already_followed"
    title = "Another wish follows that one already"
    detail = "{other} follows it and is open or settled; it is in `transaction`."
    detail_zh = "已有交易 {other} 替代或重试了它，且尚未结束或已结算，详见 transaction。"
    fix = "Take the verdict in `transaction`; do not settle the bill twice."
    fix_zh = "请以 transaction 中的结果为准，不要重复结算。"


class RetryHasCash(Conflict):
    code = "retry_has_cash"
    title = "Cash was taken for the wish that is named"
    detail = "Cash was taken for {other}, so it is replaced, not tried again."
    detail_zh = "{other} 已收取现金，应使用 replaces 而不是 retry_of。"
    fix = "Send the wish with `replaces` in place of `retry_of`: it takes over the cash."
    fix_zh = "请改用 replaces，新交易将接管已收现金。"


class ServiceGivenUp(Conflict):
    code = "service_is_cancelled"
    title = "The service of that wish was cancelled"
    detail = "{other} was reported as a service that will not be given."
    detail_zh = "{other} 已登记为取消服务。"
    fix = "Settle a service that is given after all as a new bill."
    fix_zh = "如服务仍需提供，请作为新账单结算。"


class OtherCurrency(Conflict):
    code = "bill_in_other_currency"
    title = "The bill is in another currency"
    detail = "This bill is in {billed}, the wish in {wished}."
    detail_zh = "该账单的币种为 {billed}，本次交易为 {wished}。"
    fix = "A bill has one currency: send the wish in it, or as a bill of its own."
    fix_zh = "一张账单只能使用一种币种：请使用该币种，或另开账单。"


class NotSettled(Conflict):
    code = "not_settled"
    title = "Only a settled transaction can be cancelled"
    detail = "{other} is {state}; it is in `transaction`."
    detail_zh = "{other} 当前为 {state}，不能撤销，详见 transaction。"
    fix = "What is in doubt is resolved by itself; what was reversed or cancelled needs nothing more."
    fix_zh = "存疑交易由平台自动核实；已冲正或已撤销的交易无需再处理。"


class CancelOpen(Conflict):
    code = "cancel_is_open"
    title = "It is being cancelled already"
    detail = "{other} is cancelling it and has not ended; it is in `transaction`."
    detail_zh = "撤销交易 {other} 正在进行，详见 transaction。"
    fix = "Wait for the verdict of that cancel."
    fix_zh = "请等待该撤销交易的结果。"


class CancelWindowOver(Conflict):
    code = "cancel_window_over"
    title = "The insurer takes no cancel of it any more"
    detail = "{other} can be cancelled {window} only ({explanation}); nothing was sent."
    detail_zh = "{other} 仅可在 {window} 范围内撤销（{explanation}），未发送任何内容。"
    fix = "Ask the insurer for a correction by hand; the settlement stands."
    fix_zh = "请联系保险方人工更正；原结算仍然有效。"


def shown(other: KnownWish | BillWish) -> dict[str, Any]:
    """The other wish as the hospital may see it; one that was told nothing yet has no stored verdict."""
    return answers_of([other.id]).get(other.id) or {"his_no": other.his_no, "verdict": "pending", "state": other.state}


def settle_check(wishes: Iterable[BillWish], *, batch_no: str, follows: BillWish | None) -> None:
    """At most one open money wish on a bill, one live settlement per batch, one follower of a wish.

    Raises AlreadyFollowed, BillBusy, BillSettled.
    """
    for other in wishes:
        if follows is not None and other.follows == follows.id and (other.state in OPEN or other.state == S.SUCCEEDED):
            raise AlreadyFollowed(extra={"transaction": shown(other)}, other=other.his_no)
        if other.operation_class != OperationClass.MOVES:
            if other.state in OPEN:
                raise BillBusy(extra={"transaction": shown(other)}, other=other.his_no)
            continue
        if other.state in OPEN:
            raise BillBusy(extra={"transaction": shown(other)}, other=other.his_no)
        if other.state == S.SUCCEEDED and (not batch_no or batch_no == other.batch_no):
            raise BillSettled(extra={"transaction": shown(other)}, other=other.his_no)


def follow_check(wish: BillWish, *, retry: bool, paid_minor: int) -> None:
    """Whether a new wish may follow this one. Raises CannotBeReplaced, RetryHasCash, ServiceGivenUp."""
    if wish.state not in (RETRIABLE if retry else REPLACEABLE):
        raise CannotBeReplaced(extra={"transaction": shown(wish)}, other=wish.his_no, state=wish.state)
    if wish.service_cancelled:
        raise ServiceGivenUp(extra={"transaction": shown(wish)}, other=wish.his_no)
    if retry and paid_minor:
        raise RetryHasCash(extra={"transaction": shown(wish)}, other=wish.his_no)


def currency_check(wished: str, billed: str) -> None:
    """Amounts of two currencies are never added up. Raises OtherCurrency."""
    if wished != billed:
        raise OtherCurrency(wished=wished, billed=billed)


def cancel_check(original: BillWish, wishes: Sequence[BillWish], *, interface_id: int | None, now: datetime) -> None:
    """Whether a settled wish may be cancelled now. Raises CancelOpen, CancelWindowOver, NotSettled."""
    for other in wishes:
        if other.of == original.id and other.state in OPEN:
            raise CancelOpen(extra={"transaction": shown(other)}, other=other.his_no)
    if original.state != S.SUCCEEDED or original.operation_class != OperationClass.MOVES:
        raise NotSettled(extra={"transaction": shown(original)}, other=original.his_no, state=original.state)
    facts = facts_of(interface_id)
    explanation = _window_over(facts, original, now) or _not_latest(facts, original, wishes)
    if explanation:
        window = facts.text("cancel_window") or CancelWindow.NONE
        raise CancelWindowOver(
            extra={"transaction": shown(original)}, other=original.his_no, window=window, explanation=explanation
        )


def _window_over(facts: InterfaceFacts, original: BillWish, now: datetime) -> str:
    """Days and months are the hospital's (settings.TIME_ZONE). UNTIL_CLEARED and NONE leave it to the insurer."""
    window = facts.text("cancel_window")
    if not window:
        return ""
    zone = ZoneInfo(settings.TIME_ZONE)
    then, today = original.state_at.astimezone(zone).date(), now.astimezone(zone).date()
    if then.year != today.year and not facts.can("cancel_across_year"):
        return "it was settled last year"
    if window == CancelWindow.SAME_DAY and then != today:
        return f"it was settled on {then}"
    if window == CancelWindow.SAME_MONTH and (then.year, then.month) != (today.year, today.month):
        return f"it was settled on {then}"
    return ""


def _not_latest(facts: InterfaceFacts, original: BillWish, wishes: Sequence[BillWish]) -> str:
    later = [one for one in wishes if one.state == S.SUCCEEDED and one.id > original.id and one.of is None]
    return f"{later[-1].his_no} was settled after it" if later and facts.can("cancel_latest_first") else ""


def shown_row(row: Transaction) -> dict[str, Any]:
    """The member of a 409 that names the transaction; the listener puts its current answer there after the commit."""
    return {"transaction": {"his_no": row.his_no}}
