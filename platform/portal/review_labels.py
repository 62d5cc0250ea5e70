"""Codes of the pre-review in people's words, beside those of claims. Chinese: the catalogue."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

OK, WAIT, BAD, PLAIN = "ok", "wait", "bad", "plain"

REVIEW_LABELS: dict[str, dict[str, tuple[str | Promise, str]]] = {
    "turn": {
        "PATIENT": (_("The patient's turn"), PLAIN),
        "PREREVIEW": (_("The pre-review's turn"), WAIT),
        "INSURER": (_("The insurer's turn"), PLAIN),
        "PLATFORM": (_("The platform's turn"), WAIT),
        "NOBODY": (_("Nothing to do"), PLAIN),
    },
    "rule": {
        "person_on_policy": (_("Person on the policy"), PLAIN),
        "policy_in_force": (_("Policy in force"), PLAIN),
        "waiting_days": (_("Waiting days"), PLAIN),
        "drug_listed": (_("Drug on the list"), PLAIN),
        "indication": (_("Indication"), PLAIN),
        "diagnosis_window": (_("Diagnosis window"), PLAIN),
        "diagnosis_under_cover": (_("Illness known before cover"), PLAIN),
        "materials_complete": (_("Materials complete"), PLAIN),
        "materials_age": (_("Age of materials"), PLAIN),
        "prescription_valid": (_("Prescription valid"), PLAIN),
        "days_of_supply": (_("Days of supply"), PLAIN),
        "early_refill": (_("Early refill"), PLAIN),
        "authorisation": (_("Authorisation"), PLAIN),
        "duplicate": (_("Duplicate papers"), PLAIN),
        "cap_left": (_("Cap left"), PLAIN),
        "large_amount": (_("Large amount"), PLAIN),
    },
    # Why the pre-review refuses; the insurers' own reasons are `refusal`.
    "review_refusal": {
        "not_on_policy": (_("Not on the policy"), PLAIN),
        "not_in_force": (_("Policy not in force"), PLAIN),
        "waiting_period": (_("Within the waiting period"), PLAIN),
        "not_listed": (_("Not on the drug list"), PLAIN),
        "not_indicated": (_("Outside the listed indications"), PLAIN),
        "diagnosis_window": (_("Diagnosed outside the window"), PLAIN),
        "pre_existing": (_("Illness known before the cover"), PLAIN),
        "materials": (_("Materials do not prove it"), PLAIN),
        "prescription": (_("Prescription not valid"), PLAIN),
        "early": (_("Asked for too early"), PLAIN),
        "duplicate": (_("Claimed already"), PLAIN),
        "not_covered": (_("Not covered"), PLAIN),
    },
    "review_act": {
        "pass": (_("Recommend"), PLAIN),
        "ask": (_("Ask for materials"), PLAIN),
        "investigate": (_("Look into it outside"), PLAIN),
        "decline": (_("Decline"), PLAIN),
        "investigated": (_("End the investigation"), PLAIN),
        "uphold": (_("The decision stands"), PLAIN),
        "reopen": (_("Review anew"), PLAIN),
        "look": (_("Second look"), PLAIN),
        "paper": (_("Originals have come"), PLAIN),
    },
}
