"""Codes in people's words, with the tone in which they are shown: ok, wait, bad or plain. Chinese: the catalogue."""

from __future__ import annotations

import re

from django.utils.functional import Promise
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from exchange.reasons import REASONS

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
    },
    "actor": {
        "exchange": (_("Platform"), PLAIN),
    },
    "role": {
        "hospital_cashier": (_("Cashier"), PLAIN),
        "hospital_back_office": (_("Back office"), PLAIN),
        "insurer_clerk": (_("Insurer's clerk"), PLAIN),
        "pharmacist": (_("Pharmacist"), PLAIN),
        "reviewer": (_("Reviewer"), PLAIN),
        "operator": (_("Operator"), PLAIN),
        "system_administrator": (_("System administrator"), PLAIN),
        "security_administrator": (_("Security administrator"), PLAIN),
        "auditor": (_("Auditor"), PLAIN),
    },
}

_WAIT_AND_LOOK = _("Do not settle this bill again; look here later.")
_ASK_INSURER = _(
    "Do not settle this bill again; look here later. This version does not find out by itself yet: "
    "ask the insurer, or wait for the next release's monitor."
)
_OPERATORS = _("Give the trace id to the platform's operators.")
# What the hospital's people do about a reason. `exchange.reasons` tells the programmers of the HIS.
STAFF_FIXES: dict[str, Text] = {
    "waiting_for_insurer": _WAIT_AND_LOOK,
    "insurer_did_not_answer": _ASK_INSURER,
    "answer_not_trusted": _ASK_INSURER,
    "answer_not_worked": _("Do not settle this bill again. Give the trace id to the platform's operators."),
    "refused_by_insurer": _("Read the insurer's words, mend the cause, then settle the bill anew."),
    "connection_failed": _("Settle the bill anew, or take cash: the insurer holds nothing."),
    "dropped_before_sending": _("Settle the bill anew."),
    "lane_broken": _("Take cash or wait: Today shows when the insurer answers again."),
    "lane_paused": _("Take cash, or wait until the operators resume it; then settle the bill anew."),
    "could_not_build": _OPERATORS,
    "no_answer_nothing_at_stake": _("Ask again."),
}


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
    return sentence.format(explanation=_explained(explanation)), str(STAFF_FIXES.get(code, _OPERATORS))


def word_told(word: str) -> str:
    """A reason's sentence or an outcome's label, for the records that name either; empty for anything else."""
    if word.partition(":")[0] in REASONS:
        return reason_told(word)[0]
    return str(label("outcome", word)) if word in LABELS["outcome"] else ""


def _explained(explanation: str) -> str:
    """Why an answer is not trusted, as the exchange wrote it down."""
    status = re.fullmatch(r"HTTP status (\d+)", explanation)
    if status:
        return f"{gettext('HTTP status')} {status[1]}"
    if explanation.startswith("sending raised "):
        return gettext("sending failed inside the platform")
    return gettext(explanation) if explanation else ""
