"""What people enter with an act on a claim: amounts in whole currency units on the screen, in minor units behind it."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from claims.models import Claim
from claims.states import DecisionWord
from insurers.services.confirming import Asked, Wanted
from insurers.services.desk import stake_minor
from portal.forms import AmountField
from portal.labels import LABELS
from registry.selectors.terms import terms_read

WORDS_CHARACTERS = 2000
ITEMS = 3
REASONS = [(code, words) for code, (words, _tone) in LABELS["refusal"].items()]
KINDS = [("", "–"), *((code, words) for code, (words, _tone) in LABELS["document"].items())]


def words_field(label: Any, *, required: bool = True, hint: Any = "", rows: int = 3) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=required,
        max_length=WORDS_CHARACTERS,
        help_text=hint,
        widget=forms.Textarea(attrs={"rows": rows}),
    )


class ClaimActForm(forms.Form):
    """One act on `row`; `version` is what the person saw."""

    explains: ClassVar[Any] = ""
    confirms: ClassVar[Any] = _("Confirm")
    together: ClassVar[tuple[str, ...]] = ()
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, row: Claim, **kwargs: Any) -> None:
        self.row = row
        super().__init__(*args, **{"auto_id": "act_%s", **kwargs})

    def clause(self) -> None:
        """The clause of the terms that the claim was filed under, to be kept or replaced."""
        listed = terms_read(terms=self.row.terms).listed(self.row.drug_id) if self.row.terms else None
        self.fields["reason_code"] = forms.ChoiceField(label=_("Reason"), choices=REASONS)
        self.fields["clause"] = words_field(_("Clause, in English"), hint=_("Quoted in the letter to the patient."))
        self.fields["clause_zh"] = words_field(_("Clause, in Chinese"))
        for name in ("clause", "clause_zh"):
            self.fields[name].widget.attrs["translate"] = "no"
        self.fields["clause"].initial = listed.clause if listed else ""
        self.fields["clause_zh"].initial = listed.clause_zh if listed else ""

    def explanation(self, *, required: bool) -> None:
        hint = _("In plain words, for the patient. No diagnosis.")
        self.fields["explanation"] = words_field(_("Explanation"), required=required, hint=hint)

    def wanted(self, word: DecisionWord, amount_minor: int) -> Wanted:
        entered = self.cleaned_data
        return Wanted(
            word=word,
            amount_minor=amount_minor,
            reason_code=entered.get("reason_code", ""),
            clause=entered.get("clause", ""),
            clause_zh=entered.get("clause_zh", ""),
            explanation=entered.get("explanation", ""),
        )


class ApproveForm(ClaimActForm):
    explains = _("You confirm the whole recommended amount.")
    confirms = _("Approve")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.explanation(required=False)

    def decision(self) -> Wanted:
        return self.wanted(DecisionWord.APPROVE, stake_minor(self.row))


class ApprovePartlyForm(ClaimActForm):
    explains = _("You confirm less than was recommended, with the clause that says why. The patient may appeal.")
    confirms = _("Approve in part")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["amount_minor"] = AmountField(currency=self.row.currency, label=_("Amount confirmed"))
        self.clause()
        self.explanation(required=True)

    def decision(self) -> Wanted:
        return self.wanted(DecisionWord.APPROVE_PARTLY, self.cleaned_data["amount_minor"])


class DeclineForm(ClaimActForm):
    explains = _("You pay nothing, with the clause that says why. The patient may appeal.")
    confirms = _("Decline")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clause()
        self.explanation(required=True)

    def decision(self) -> Wanted:
        return self.wanted(DecisionWord.DECLINE, 0)


class AskForm(ClaimActForm):
    explains = _("The patient gets one message with everything that is missing; the clock pauses until he answers.")
    confirms = _("Ask the patient")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number in range(1, ITEMS + 1):
            first = number == 1
            self.fields[f"kind_{number}"] = forms.ChoiceField(label=_("Paper"), choices=KINDS, required=first)
            self.fields[f"reason_{number}"] = forms.CharField(
                label=_("Why, in English"), required=first, max_length=500
            )
            self.fields[f"reason_zh_{number}"] = forms.CharField(
                label=_("Why, in Chinese"), required=first, max_length=500
            )
        self.fields["message"] = words_field(_("Message to the patient, in English"))
        self.fields["message_zh"] = words_field(_("Message to the patient, in Chinese"))
        self.fields["answer_by"] = forms.DateField(label=_("Answer by"), widget=forms.DateInput(attrs={"type": "date"}))
        if self.row.materials_asked:
            hint = _("It is the second ask: a colleague has to confirm it.")
            self.fields["why_not_before"] = words_field(_("Why it was not asked for at once"), hint=hint)

    def clean(self) -> dict[str, Any]:
        entered: dict[str, Any] = super().clean() or {}
        for number in range(2, ITEMS + 1):
            parts = [bool(entered.get(f"{name}_{number}")) for name in ("kind", "reason", "reason_zh")]
            if any(parts) and not all(parts):
                self.add_error(f"reason_{number}", _("A paper and both reasons belong together."))
        return entered

    def asked(self) -> Asked:
        entered = self.cleaned_data
        return Asked(
            items=[
                {
                    "kind": entered[f"kind_{number}"],
                    "reason": entered[f"reason_{number}"],
                    "reason_zh": entered[f"reason_zh_{number}"],
                }
                for number in range(1, ITEMS + 1)
                if entered.get(f"kind_{number}")
            ],
            message=entered["message"],
            message_zh=entered["message_zh"],
            answer_by=entered["answer_by"],
            why_not_before=entered.get("why_not_before", ""),
        )


class ReasonForm(ClaimActForm):
    """An act that needs nothing but why; it stands in the history, which has no personal data."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"] = words_field(_("Reason"), hint=_("No names, no diagnosis."))


class InvestigateForm(ReasonForm):
    explains = _("Something is looked into outside. The longer term for complex claims counts from now on.")
    confirms = _("Look into it")


class EndInvestigationForm(ReasonForm):
    explains = _("What was found; the claim is back on your desk.")
    confirms = _("End looking into it")


class ReopenForm(ReasonForm):
    explains = _("You look anew at what was decided. Only who could decide it alone may reopen it.")
    confirms = _("Reopen")


class AppealForm(ClaimActForm):
    explains = _("The patient disagrees with your decision. Somebody who took no part in it answers.")
    confirms = _("Answer the appeal")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("uphold", _("The decision stands")), ("reopen", _("The appeal wins: look anew"))]
        self.fields["verdict"] = forms.ChoiceField(label=_("Verdict"), choices=choices, widget=forms.RadioSelect)
        self.explanation(required=True)


FORMS: dict[str, type[ClaimActForm]] = {
    "approve": ApproveForm,
    "approve-partly": ApprovePartlyForm,
    "decline": DeclineForm,
    "ask": AskForm,
    "investigate": InvestigateForm,
    "end-investigation": EndInvestigationForm,
    "appeal": AppealForm,
    "reopen": ReopenForm,
}
