"""What the hospital's people do about a reason and a refusal. `exchange.reasons` tells the programmers of the HIS."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text = str | Promise

_WAIT_AND_LOOK = _("Do not settle this bill again; look here later.")
_FINDING_OUT = _(
    "Do not settle this bill again: the platform is finding out. "
    "Where the patient cannot wait, take cash and say so here."
)
_CASH_IS_KEPT = _("Keep the cash: the reversal is ours to do. Do not settle this bill before it has ended.")
_SETTLE_ANEW = _("Cash that was taken is the payment. To settle after all, settle the bill anew from the outage list.")
_NOTHING = _("Nothing: what was told stays true.")
_RULE = _("Ask the insurer, then propose a ruling; a colleague confirms it.")
OPERATORS_KNOW = _("Give the trace id to the platform's operators.")

STAFF_FIXES: dict[str, Text] = {
    "waiting_for_insurer": _WAIT_AND_LOOK,
    "insurer_did_not_answer": _FINDING_OUT,
    "answer_not_trusted": _FINDING_OUT,
    "answer_not_worked": _("Do not settle this bill again. Give the trace id to the platform's operators."),
    "refused_by_insurer": _("Read the insurer's words, mend the cause, then settle the bill anew."),
    "connection_failed": _("Settle the bill anew, or take cash: the insurer holds nothing."),
    "dropped_before_sending": _("Settle the bill anew."),
    "lane_broken": _("Take cash or wait: Today shows when the insurer answers again."),
    "lane_paused": _("Take cash, or wait until the operators resume it; then settle the bill anew."),
    "could_not_build": OPERATORS_KNOW,
    "cash_taken": _CASH_IS_KEPT,
    "cash_taken_reversing": _CASH_IS_KEPT,
    "cash_without_wish": _SETTLE_ANEW,
    "abandoned_before_sending": _SETTLE_ANEW,
    "reversing_abandoned": _CASH_IS_KEPT,
    "reversing_not_proven": _("Wait until it is reversed; then settle the bill anew, or keep the cash."),
    "reversing_surfaced": _NOTHING,
    "reversing_late_answer": _NOTHING,
    "disown_in_progress": _("Wait until it is reversed before the bill is settled anew."),
    "reversing_ruling": _("Wait: the insurer is being asked once more."),
    "reversal_accepted": _SETTLE_ANEW,
    "nothing_held": _SETTLE_ANEW,
    "not_found_after_quiet": _SETTLE_ANEW,
    "cancelled_by": _("Nothing: the HIS asked for it."),
    "cancelled_as": _("Nothing: the HIS asked for it."),
    "resettle_cancel_refused": _("Read why the cancellation was refused; the old settlement stands."),
    "cancelled_rest_open": _("Settle the rest anew from the HIS, or report that the service is not given."),
    "service_cancelled_before_sending": _("Give back what cash was taken, and report the refund here."),
    "needs_person": _RULE,
    "ladder_used_up": _RULE,
    "reversal_refused": _RULE,
    "reversal_not_answered": _RULE,
    "reverse_window_over": _RULE,
    "original_unknown": _RULE,
    "held_another": _RULE,
    "held_undone": _RULE,
    "held_cancelled": _RULE,
    "question_not_built": OPERATORS_KNOW,
    "no_call_to_ask_about": OPERATORS_KNOW,
    "nobody_covers": _("Check the person's number and the kind of insurance in the HIS, then settle the bill anew."),
    "coverage_unknown": _("Name the kind of insurance in the HIS, or try again later."),
    "unacknowledged": _(
        "Book it in the HIS, then mark it as booked here. If the HIS lacks it, say that it never booked it."
    ),
    "refund_due": _("Give it back, then report the refund here."),
    "refund_unclaimed": _("Reach the patient; report the refund once it is paid."),
    "cash_short": _("Collect the difference from the patient, or book it as the hospital's loss."),
    "not_square": _("Look at the bill: somebody must find what is missing."),
    "no_answer_compensate_first": _("Undo it in the HIS first; only then send it again."),
    "late_answer_not_undone": _RULE,
    "ruled": _("Nothing: what two persons ruled is final."),
    "no_answer_nothing_at_stake": _("Ask again."),
}

# Code of a refusal -> what happened, and what to do about it.
REFUSALS: dict[str, tuple[Text, Text]] = {
    "moved_meanwhile": (
        _("Somebody or something was faster: it changed while you looked at it. Nothing of yours was stored."),
        _("Look at what changed below, then act again if that is still right."),
    ),
    "not_your_own": (
        _("You entered it yourself, and nobody confirms his own entry."),
        _("Ask a colleague to look at it and confirm it."),
    ),
    "back_office_needed": (
        _("One of the two persons must be of the back office."),
        _("Ask somebody of the back office to confirm it."),
    ),
    "nothing_to_rule": (_("It does not wait for a person any more."), _("Look at its state now.")),
    "ruling_is_open": (
        _("A ruling on it waits for its second name already."),
        _("Confirm that one, or let it be withdrawn first."),
    ),
    "ruling_has_ended": (_("This ruling was confirmed or withdrawn already."), _("Look at its state now.")),
    "amounts_do_not_add_up": (
        _("The parts do not make the total, or the settlement number is missing."),
        _("Copy the amounts and the number from the insurer's statement."),
    ),
    "amounts_are_proven": (
        _("The amounts of this settlement were proven before; a ruling does not change them."),
        _("Propose it with the amounts that are shown on its page."),
    ),
    "act_waits": (
        _("The same was entered already and waits for its second name."),
        _("Confirm that one, or withdraw it first."),
    ),
    "act_has_ended": (_("It was confirmed or withdrawn already."), _("Look at its state now.")),
    "nothing_to_ask": (
        _("There is nothing to ask the insurer: it is neither in doubt nor being reversed."),
        _("Look at its state now."),
    ),
    "nothing_to_disown": (
        _("There is no unbooked success here that could be disowned."),
        _("A deal that both sides know is cancelled in the HIS."),
    ),
    "verdict_differs": (
        _("It has no final result yet, or another one than was shown."),
        _("Look at its result now, book that one, then mark it."),
    ),
    "cancel_first": (
        _("The fee is settled with the insurer."),
        _("Cancel it in the HIS first; once it is cancelled, report that the service is not given."),
    ),
    "cancel_is_open": (_("It is being cancelled already."), _("Wait for the end of that cancellation.")),
    "already_succeeded": (
        _("The cash is stored, but the fee had been settled before: what is too much is due back."),
        _("Give the refund that is shown, then report it here."),
    ),
    "already_ended": (
        _("The cash is stored and is the payment: the fee had ended before, and the insurer holds nothing."),
        _("Nothing. To settle after all, settle the bill anew from the outage list."),
    ),
    "cannot_be_abandoned": (_("Only a fee can be paid in cash instead."), _("Enter the cash on the fee itself.")),
    "receipt_differs": (
        _("This receipt was entered before with another amount."),
        _("Further cash has a receipt number of its own; a wrong amount is corrected by a refund."),
    ),
    "refund_exceeds_due": (
        _("That is more than is due back; nothing was stored."),
        _("Give back at most what is shown as due. A reversal alone makes nothing due: the cash is the payment."),
    ),
    "refund_differs": (
        _("This refund number was reported before with another amount."),
        _("Each refund has a number of its own."),
    ),
    "idempotency_key_reused": (
        _("This form was sent before with other contents."),
        _("Open it again and enter it anew."),
    ),
    "not_found": (
        _("Your hospital has nothing of this number."),
        _("Check the number; it may belong to another organisation."),
    ),
    "forbidden": (_("Your role may not do that."), _("Ask somebody of the back office.")),
    "too_many_at_once": (_("That is too many at once; nothing was done."), _("Tick at most 100 of them.")),
    "no_cash_stands": (
        _("It is not on the outage list any more: it is settled, under way, cancelled, or has no cash."),
        _("Look at its bill."),
    ),
    "cannot_resettle_here": (
        _("What a new settlement needs is not here."),
        _("Settle it from the HIS, naming what it replaces."),
    ),
    "no_name_left": (
        _("It was settled anew too often from here."),
        _("Settle it from the HIS under a number of its own."),
    ),
    "already_followed": (
        _("A colleague or the HIS has settled it anew already."),
        _("Nothing: look at its bill for the result."),
    ),
    "bill_has_open_wish": (_("Something else on this bill is under way."), _("Wait for its end, then try again.")),
    "bill_already_settled": (
        _("Another fee settled this bill."),
        _("Look at its bill: report that the service is not given, or cancel the other one."),
    ),
    "no_route": (
        _("No insurer is connected for this person's insurance any more."),
        _("Ask the platform's operators."),
    ),
    "shift_is_closed": (
        _("This shift was closed before with other totals."),
        _("A shift is closed once: carry what was forgotten into the next one, with a note."),
    ),
    "day_is_signed": (
        _("The list of this day is signed."),
        _("A signed list is replaced only by a new one from the HIS with two names."),
    ),
    "list_changed": (
        _("The HIS sent another list while you looked at this one. Nothing was signed."),
        _("Look at the new list, then sign that one."),
    ),
    "second_name_needed": (
        _("The list lacks very many settled fees: one name is not enough to give them all up."),
        _("Look whether the list is whole. If it is, send it from the HIS with two names."),
    ),
    "too_many_absent": (
        _("The list lacks too many settled fees to give them up at once."),
        _("Mark what was booked, disown the others one by one, then sign."),
    ),
    "no_list_to_sign": (_("The HIS has sent no list of this day yet."), _("Send it from the HIS, then sign it here.")),
    "day_not_begun": (_("This day has not begun."), _("Choose another day.")),
    "client_key_ended": (_("This key was revoked or has expired."), _("Ask the platform's operators for a new one.")),
}
