"""What people enter with an act: amounts in whole currency units on the screen, in minor units behind it."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _

from core.money import LARGEST_MINOR
from exchange.bills import BillTerms
from exchange.models import Transaction
from exchange.states import Decision, OperationClass
from hospitals.portal.tills import SHIFT_CHARACTERS
from portal.forms import AmountField
from portal.labels import LABELS, label

NUMBER_CHARACTERS, WORDS_CHARACTERS = 64, 500
PARTS = ("fund_minor", "account_minor", "hospital_minor", "cash_minor")
TENDERS = [(code, words) for code, (words, _tone) in LABELS["tender"].items()]


def shift_field() -> forms.CharField:
    return forms.CharField(
        label=_("Shift no."),
        required=False,
        max_length=SHIFT_CHARACTERS,
        help_text=_("Of the till that the cash is in or comes from."),
    )


def number_field(words: Any, *, required: bool = False, hint: Any = "") -> forms.CharField:
    return forms.CharField(label=words, required=required, max_length=NUMBER_CHARACTERS, help_text=hint)


def reason_field(hint: Any) -> forms.CharField:
    return forms.CharField(
        label=_("Reason"),
        max_length=WORDS_CHARACTERS,
        help_text=hint,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ActForm(forms.Form):
    """One act on `row`. `values()` is what the act's service takes."""

    use_required_attribute = True
    explains: ClassVar[Any] = ""
    confirms: ClassVar[Any] = _("Confirm")
    # Fields that one choice needs and the others do not have: they are not called optional.
    together: ClassVar[tuple[str, ...]] = ()
    # What the person saw, and this very entry: sent along, checked by the service.
    version = forms.IntegerField(widget=forms.HiddenInput)
    token = forms.UUIDField(widget=forms.HiddenInput)
    back = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, row: Transaction, terms: BillTerms, **kwargs: Any) -> None:
        self.row, self.terms = row, terms
        # Some names are those of fields on the page below the dialog.
        super().__init__(*args, **{"auto_id": "act_%s", **kwargs})

    def values(self) -> dict[str, Any]:
        own = {"version", "token", "back"}
        return {name: value for name, value in self.cleaned_data.items() if name not in own and value not in ("", None)}

    def amount(self, name: str, words: Any, shown_minor: int | None, **more: Any) -> None:
        """A field for an amount, filled in with what is most likely meant."""
        field = AmountField(currency=self.row.currency, label=words, **more)
        if shown_minor:
            field.initial = field.shown(shown_minor)
        self.fields[name] = field


class QueryAgainForm(ActForm):
    explains = _("The insurer is asked at once instead of at the next step of its ladder. Nothing is sent twice.")
    confirms = _("Ask now")


class AcknowledgeForm(ActForm):
    explains = _("The HIS has booked this result. Only what was not booked can be disowned later.")
    confirms = _("Mark as booked")


class AbandonForm(ActForm):
    explains = _(
        "The patient has paid at the counter because no result came. Whatever the insurer holds of this fee is "
        "reversed by the platform; until then do not settle the bill again."
    )
    confirms = _("Save the cash")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.amount("self_paid_minor", _("Cash taken"), self.row.total_minor)
        self.fields["tender"] = forms.ChoiceField(label=_("Paid by"), choices=TENDERS)
        self.fields["receipt_no"] = number_field(
            _("Receipt no."), hint=_("Told twice with one number it counts once; further cash has a number of its own.")
        )
        self.fields["shift_no"] = shift_field()


class RefundedForm(ActForm):
    explains = _("The patient has his money back. Report it after paying it out.")
    confirms = _("Report the refund")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.amount("amount_minor", _("Given back"), self.terms.refund_due_minor)
        self.fields["refund_no"] = number_field(
            _("Refund no."), required=True, hint=_("Of your till: one number is one refund, however often it is sent.")
        )
        self.fields["tender"] = forms.ChoiceField(label=_("Paid out by"), choices=TENDERS)
        self.fields["original_tender_ref"] = number_field(_("No. of the original payment"))
        self.fields["red_receipt_no"] = number_field(_("Red receipt no."))
        self.fields["shift_no"] = shift_field()


class DisownForm(ActForm):
    explains = _("The HIS never booked this success, so it must not stand: the insurer is told to reverse it.")
    confirms = _("Reverse it")
    reason = reason_field(_("What happened. No patient's name or number."))


class ServiceCancelledForm(ActForm):
    explains = _("The service will not be given: all cash on it is due back once the insurer holds nothing of it.")
    confirms = _("Service is not given")


class RuleForm(ActForm):
    explains = _(
        "The platform cannot find out. Ask the insurer on another way, write down what is so, and let a colleague "
        "confirm it: only then it counts. One of the two is of the back office."
    )
    confirms = _("Propose")
    together = (*PARTS, "settlement_no")
    decision = forms.ChoiceField(label=_("What is so"), widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(one.value, label("decision", one.value)) for one in Decision]
        self.fields["decision"].choices = choices  # type: ignore[attr-defined]
        if self.row.operation_class == OperationClass.MOVES:
            for name, words in zip(
                PARTS, (_("Fund pays"), _("Account pays"), _("Hospital bears"), _("Patient pays")), strict=True
            ):
                self.amount(name, words, getattr(self.row, name), least_minor=0, required=False)
            self.fields["settlement_no"] = number_field(_("Settlement no. of the insurer"))
            self.fields["settlement_no"].initial = self.row.settlement_no
        self.fields["reason"] = reason_field(_("Whom you asked, when, and what he said. No patient's name or number."))

    def amounts(self) -> dict[str, Any] | None:
        if self.cleaned_data["decision"] != Decision.SUCCEEDED:
            return None
        return {name: self.cleaned_data.get(name) for name in (*PARTS, "settlement_no")}


FORMS: dict[str, type[ActForm]] = {
    "query-again": QueryAgainForm,
    "rule": RuleForm,
    "refunded": RefundedForm,
    "abandon": AbandonForm,
    "acknowledge": AcknowledgeForm,
    "disown": DisownForm,
    "service-cancelled": ServiceCancelledForm,
}


class ShiftForm(forms.Form):
    """What the till holds for a shift, per tender. A till that gave back more than it took is below zero."""

    together: ClassVar[tuple[str, ...]] = tuple(tender for tender, _words in TENDERS)
    token = forms.UUIDField(widget=forms.HiddenInput)
    shift_no = forms.CharField(widget=forms.HiddenInput, max_length=SHIFT_CHARACTERS)

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "shift_%s", **kwargs})
        for tender, words in TENDERS:
            self.fields[tender] = AmountField(
                currency=currency, least_minor=-LARGEST_MINOR, label=words, required=False
            )

    def totals(self) -> dict[str, int]:
        return {
            tender: self.cleaned_data[tender] for tender, _words in TENDERS if self.cleaned_data[tender] is not None
        }
