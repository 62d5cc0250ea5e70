"""Codes in people's words, with the tone in which they are shown: ok, wait, bad or plain. Chinese: the catalogue."""

from __future__ import annotations

import re

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from exchange.reasons import REASONS
from portal.advice import OPERATORS_KNOW, STAFF_FIXES
from portal.claim_labels import CLAIM_LABELS
from portal.review_labels import REVIEW_LABELS

Text = str | Promise
OK, WAIT, BAD, PLAIN = "ok", "wait", "bad", "plain"

LABELS: dict[str, dict[str, tuple[Text, str]]] = {
    "state": {
        "RECEIVED": (_("Received"), WAIT),
        "SENDING": (_("Being sent"), WAIT),
        "SUCCEEDED": (_("Settled"), OK),
        "REJECTED": (_("Refused"), BAD),
        "NOT_SENT": (_("Not sent"), PLAIN),
        "IN_DOUBT": (_("In doubt"), WAIT),
        "REVERSING": (_("Being reversed"), WAIT),
        "REVERSED": (_("Reversed"), PLAIN),
        "CANCELLED": (_("Cancelled"), PLAIN),
        "NEEDS_HUMAN": (_("Needs a person"), BAD),
    },
    "answered": {
        "SUCCEEDED": (_("Answered"), OK),
    },
    "verdict": {
        "succeeded": (_("Succeeded"), OK),
        "rejected": (_("Refused"), BAD),
        "not_sent": (_("Not sent"), PLAIN),
        "pending": (_("Result not known yet"), WAIT),
        "abandoned": (_("Abandoned: cash taken"), WAIT),
        "reversed": (_("Reversed"), PLAIN),
        "cancelled": (_("Cancelled"), PLAIN),
        "stands": (_("The settlement stands"), PLAIN),
    },
    "operation": {
        "eligibility": (_("Eligibility"), PLAIN),
        "presettle": (_("Trial settlement"), PLAIN),
        "settle": (_("Settlement"), PLAIN),
        "cancel": (_("Cancellation"), PLAIN),
        "resettle": (_("Partial cancellation"), PLAIN),
    },
    "call": {
        "ELIGIBILITY": (_("Eligibility"), PLAIN),
        "PRESETTLE": (_("Trial settlement"), PLAIN),
        "SETTLE": (_("Settlement"), PLAIN),
        "QUERY": (_("Query"), PLAIN),
        "REVERSE": (_("Reversal"), PLAIN),
        "CANCEL": (_("Cancellation"), PLAIN),
    },
    "outcome": {
        "DONE": (_("Done"), OK),
        "REFUSED": (_("Refused"), BAD),
        "RUNNING": (_("Still running"), WAIT),
        "NOT_FOUND": (_("Not known there"), PLAIN),
        "UNKNOWN": (_("Unknown"), WAIT),
        "NOT_SENT": (_("Not sent"), PLAIN),
        "no_outcome": (_("No answer by the deadline"), WAIT),
        "none": (_("No answer yet"), WAIT),
    },
    "evidence": {
        "CALL_OUTCOME": (_("Answer to a message"), PLAIN),
        "DEADLINE_PASSED": (_("Deadline passed"), PLAIN),
        "OUR_RULE": (_("Our own rule"), PLAIN),
        "HOSPITAL_SAID": (_("Told by the hospital"), PLAIN),
        "CANCEL_PROVEN": (_("Its cancellation is proven"), PLAIN),
        "RULING": (_("Ruling of two persons"), PLAIN),
    },
    # What a piece of evidence says, where that is neither an outcome nor a reason.
    "said": {
        "abandon": (_("cash was taken"), PLAIN),
        "acknowledged": (_("the verdict is booked"), PLAIN),
        "disown": (_("this success was never booked"), PLAIN),
        "refunded": (_("money was given back"), PLAIN),
        "service_cancelled": (_("the service is not given"), PLAIN),
        "day_list": (_("the signed day list lacks it"), PLAIN),
        "held_stands": (_("found settled there"), PLAIN),
        "held_refused": (_("found refused there"), PLAIN),
        "resettle_cancel_refused": (_("its cancellation came to nothing"), PLAIN),
    },
    "decision": {
        "SUCCEEDED": (_("It is settled"), PLAIN),
        "REVERSED": (_("It is reversed"), PLAIN),
        "REJECTED": (_("It was refused"), PLAIN),
        "REVERSING": (_("Ask the insurer to reverse it again"), PLAIN),
    },
    "cash": {
        "NONE": (_("No cash"), PLAIN),
        "PAID": (_("Cash taken"), WAIT),
        "STANDS": (_("Cash is the payment"), PLAIN),
        "REFUND_DUE": (_("Refund due"), WAIT),
        "REFUNDED": (_("Refunded"), OK),
        "UNCLAIMED": (_("Refund not claimed"), BAD),
    },
    "tender": {
        "cash": (_("Cash"), PLAIN),
        "card": (_("Bank card"), PLAIN),
        "wechat": (_("WeChat Pay"), PLAIN),
        "alipay": (_("Alipay"), PLAIN),
        "other": (_("Other"), PLAIN),
    },
    "act": {
        "query-again": (_("Ask the insurer now"), PLAIN),
        "abandon": (_("Cash was taken"), PLAIN),
        "acknowledge": (_("Mark as booked"), PLAIN),
        "disown": (_("Never booked: reverse it"), PLAIN),
        "refunded": (_("Report a refund"), PLAIN),
        "service-cancelled": (_("Service not given"), PLAIN),
        "rule": (_("Propose a ruling"), PLAIN),
    },
    "payer": {
        "basic_fund": (_("Basic insurance fund"), PLAIN),
        "serious_illness": (_("Serious illness insurance"), PLAIN),
        "civil_servant": (_("Civil servant subsidy"), PLAIN),
        "assistance": (_("Medical assistance"), PLAIN),
        "own_account": (_("Own account"), PLAIN),
        "family_account": (_("Family account"), PLAIN),
        "commercial": (_("Commercial insurance"), PLAIN),
        "charity": (_("Charity"), PLAIN),
    },
    "lane": {
        "open": (_("Open"), OK),
        "slow": (_("Slow"), WAIT),
        "broken": (_("Not answering"), BAD),
        "paused": (_("Paused"), PLAIN),
        "quiet": (_("No recent messages"), PLAIN),
    },
    "account": {
        "receivable": (_("Receivable"), PLAIN),
        "hospital_borne": (_("Borne by the hospital"), PLAIN),
        "counter_cash": (_("Counter cash"), PLAIN),
        "suspense": (_("Suspense"), PLAIN),
        "patient_deposits": (_("Patient deposits"), PLAIN),
        "fees": (_("Fees"), PLAIN),
    },
    "posting": {
        "settled": (_("Settled"), PLAIN),
        "reversed": (_("Settlement undone: reversed"), PLAIN),
        "cancelled": (_("Settlement undone: cancelled"), PLAIN),
        "collected": (_("Cash taken"), PLAIN),
        "refunded": (_("Cash given back"), PLAIN),
        "stands": (_("Cash is the payment"), PLAIN),
        "recognition_undone": (_("Cash is no longer the payment"), PLAIN),
    },
    "actor": {
        "exchange": (_("Platform"), PLAIN),
        "platform": (_("Platform"), PLAIN),
        "patient": (_("Patient"), PLAIN),
        "insurer": (_("Insurer"), PLAIN),
        "clock": (_("Deadline"), PLAIN),
        "prereview.rules": (_("Rules of the pre-review"), PLAIN),
    },
    "key": {
        "live": (_("In use"), OK),
        "ending": (_("Ends"), WAIT),
        "expired": (_("Expired"), PLAIN),
        "revoked": (_("Revoked"), PLAIN),
    },
    "scope": {
        "transactions:write": (_("settle and report"), PLAIN),
        "transactions:read": (_("read results"), PLAIN),
        "clinical": (_("send records"), PLAIN),
    },
    # What stands between a bill of the outage list and its new settlement.
    "need": {
        "wish": (_("Its fee never reached us: settle it from the HIS, naming what it replaces."), PLAIN),
        "credential": (
            _("The patient was known by a credential only: read a new one and settle it in the HIS."),
            PLAIN,
        ),
        "body": (_("What was asked for then cannot be opened any more: settle it from the HIS."), PLAIN),
        "open_wish": (_("Something else on this bill is under way: wait for its end."), PLAIN),
        "bill_settled": (
            _("Another fee settled this bill: report that the service is not given, or cancel it."),
            PLAIN,
        ),
        "lane": (_("The link to the insurer is paused or broken: wait until it is open again."), PLAIN),
    },
    # How the hospital's list of a day and ours differ.
    "difference": {
        "absent": (_("Settled here, missing on the list"), BAD),
        "unknown": (_("On the list, not known here"), BAD),
        "not_succeeded": (_("On the list, not settled here"), BAD),
        "amounts_differ": (_("Amounts differ"), BAD),
        "duplicate": (_("Twice on the list"), WAIT),
        "unacknowledged": (_("Not marked as booked"), WAIT),
        "other_day": (_("Settled on another day"), WAIT),
    },
    # Why a button is off.
    "why_not": {
        "waits": (_("It waits for its second name."), PLAIN),
        "still_being_sent": (_("It is being sent right now: its answer is awaited first."), PLAIN),
        "with_a_person": (_("The platform has asked as often as it may: propose a ruling."), PLAIN),
        "cannot_be_asked": (_("This insurer cannot be asked: after the quiet time it is reversed."), PLAIN),
        "ruling_waits": (_("A ruling waits for its second name."), PLAIN),
        "not_with_a_person": (_("The platform is still finding out by itself."), PLAIN),
        "nothing_due": (_("Nothing is due back on this bill."), PLAIN),
        "booked_already": (_("The HIS has booked it: cancel it in the HIS."), PLAIN),
        "ruled_already": (_("Two persons have ruled that it stands."), PLAIN),
        "cancel_open": (_("It is being cancelled."), PLAIN),
        "refund_reported": (_("A refund was reported on it."), PLAIN),
        "settled_cancel_first": (_("It is settled: cancel it in the HIS first."), PLAIN),
    },
    "role": {
        "hospital_cashier": (_("Cashier"), PLAIN),
        "hospital_back_office": (_("Back office"), PLAIN),
        "insurer_clerk": (_("Insurer's clerk"), PLAIN),
        "pharmacist": (_("Pharmacist"), PLAIN),
        "reviewer": (_("Reviewer"), PLAIN),
        "review_supervisor": (_("Pre-review supervisor"), PLAIN),
        "operator": (_("Operator"), PLAIN),
        "system_administrator": (_("System administrator"), PLAIN),
        "security_administrator": (_("Security administrator"), PLAIN),
        "auditor": (_("Auditor"), PLAIN),
    },
}

LABELS |= CLAIM_LABELS | REVIEW_LABELS


def label(kind: str, code: object) -> Text:
    """The word for a code; the code itself where there is none."""
    return LABELS[kind].get(str(code), (str(code), PLAIN))[0]


def tone(kind: str, code: object) -> str:
    return LABELS[kind].get(str(code), ("", PLAIN))[1]


def reason_told(reason_code: str) -> tuple[str, str]:
    """What happened and what the staff do now, in the reader's language, from `code` or `code:explanation`."""
    code, _colon, explanation = reason_code.partition(":")
    if code not in REASONS:
        return code, ""
    detail, detail_zh, _programmers_fix = REASONS[code]
    sentence = detail_zh if (get_language() or "").startswith("zh") else detail
    return sentence.format(explanation=_explained(explanation)), str(STAFF_FIXES.get(code, OPERATORS_KNOW))


def word_told(word: str) -> str:
    """A reason's sentence or an outcome's label, for the records that name either; empty for anything else."""
    if word.partition(":")[0] in REASONS:
        return reason_told(word)[0]
    for kind in ("outcome", "said", "decision"):
        if word in LABELS[kind]:
            return str(label(kind, word))
    said, _space, verdict = word.partition(" ")
    if said == "acknowledged" and verdict in LABELS["verdict"]:
        return f"{label('said', said)}: {label('verdict', verdict)}"
    return ""


def _explained(explanation: str) -> str:
    """Why an answer is not trusted, as the exchange wrote it down."""
    status = re.fullmatch(r"HTTP status (\d+)", explanation)
    if status:
        return f"{gettext('HTTP status')} {status[1]}"
    # Beyond the colon, or in the middle, stand names of the programmers: theirs and ours.
    for pattern, words in (
        (r"sending raised \w+", gettext("sending failed inside the platform")),
        (r"[\w-]+ is not .*", gettext("its envelope is not the one agreed on")),
        (r"code .* decides nothing", gettext("its code decides nothing")),
        (r"it could not be read: \w+", gettext("it could not be read")),
    ):
        if re.fullmatch(pattern, explanation, re.DOTALL):
            return words
    return gettext(explanation) if explanation else ""
