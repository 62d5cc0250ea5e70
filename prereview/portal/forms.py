"""What reviewers enter with an act. `values()` is what the act's service takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from claims.models import Claim
from claims.services.originals import COURIER_NO
from portal.acting import in_chinese
from portal.forms import AmountField
from portal.labels import LABELS, label
from prereview.composer import PAPERS, WHY, items_of, message_of
from prereview.models import RuleRun
from registry.selectors.products import product_day
from registry.selectors.terms import terms_read

WORDS_CHARACTERS, CLAUSE_CHARACTERS = 1000, 600
# What a rule found missing or old is ticked when the composer opens.
FOUND = {"materials_missing": ("missing", "missing"), "materials_old": ("old", "too_old")}


def words_field(words: Any, *, hint: Any = "", required: bool = True, rows: int = 3) -> forms.CharField:
    area = forms.Textarea(attrs={"rows": rows})
    return forms.CharField(label=words, required=required, max_length=WORDS_CHARACTERS, help_text=hint, widget=area)


class ReviewForm(forms.Form):
    """One act on `row`."""

    use_required_attribute = True
    explains: ClassVar[Any] = ""
    confirms: ClassVar[Any] = _("Confirm")
    # Fields of which some are needed: they are not called optional.
    together: tuple[str, ...] = ()
    version = forms.IntegerField(widget=forms.HiddenInput)
    back = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, row: Claim, run: RuleRun | None, now: Any, **kwargs: Any) -> None:
        self.row, self.run, self.now = row, run, now
        super().__init__(*args, **{"auto_id": "act_%s", **kwargs})
        self.build()

    def build(self) -> None:
        """Fields that depend on the claim."""

    def values(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.cleaned_data if name not in ("version", "back")}


class ClauseForm(ReviewForm):
    """A choice of the clauses that lie near, or another one in both languages."""

    clause_needed: ClassVar[bool] = True
    together: tuple[str, ...] = ("other_clause", "other_clause_zh")

    def build(self) -> None:
        self.clauses = clauses_of(self.row, self.run)
        choices = [(str(at), one[in_chinese()]) for at, one in enumerate(self.clauses)]
        if self.clause_needed:
            self.together = (*self.together, "clause")
        else:
            choices = [("", gettext("Nothing is cut: no clause")), *choices]
        self.fields["clause"] = forms.ChoiceField(
            label=_("Clause"), choices=choices, required=False, help_text=_("The letter and an appeal quote it.")
        )
        for name, words in (
            ("other_clause", _("Another clause, in English")),
            ("other_clause_zh", _("Another clause, in Chinese")),
        ):
            self.fields[name] = forms.CharField(label=words, required=False, max_length=CLAUSE_CHARACTERS)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        other, other_zh = cleaned.get("other_clause", ""), cleaned.get("other_clause_zh", "")
        if bool(other) != bool(other_zh):
            self.add_error("other_clause_zh" if other else "other_clause", _("A clause stands in both languages."))
        return cleaned

    def clause(self) -> tuple[str, str]:
        cleaned = self.cleaned_data
        if cleaned.get("other_clause"):
            return cleaned["other_clause"], cleaned["other_clause_zh"]
        return self.clauses[int(cleaned["clause"])] if cleaned.get("clause") else ("", "")


class PassForm(ClauseForm):
    explains = _("You recommend these amounts to the insurer. What is below the payable quotes its clause.")
    confirms = _("Recommend")
    clause_needed = False

    def build(self) -> None:
        left = self.row.payable_minor
        for line in self.row.lines.order_by("line_no"):
            part = min(left, line.payable_minor)
            left -= part
            field = AmountField(
                currency=self.row.currency, least_minor=0, label=f"{line.line_no} · {line.drug_id} × {line.quantity}"
            )
            field.initial = field.shown(part)
            self.fields[f"line_{line.line_no}"] = field
        super().build()
        grades = [(code, words) for code, (words, _tone) in LABELS["risk"].items()]
        self.fields["risk"] = forms.ChoiceField(label=_("Risk"), choices=grades, initial=self.row.risk or "LOW")
        self.fields["explanation"] = words_field(
            _("To the patient"),
            required=False,
            hint=_("In plain words, no diagnosis. Needed where less is recommended."),
        )

    def amounts(self) -> dict[int, int]:
        return {
            int(name.removeprefix("line_")): self.cleaned_data[name] or 0
            for name in self.fields
            if name.startswith("line_")
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            total = sum(self.amounts().values())
            if total > self.row.payable_minor:
                self.add_error(None, _("The lines sum to more than the payable by the terms."))
            elif total < self.row.payable_minor and not (cleaned.get("clause") or cleaned.get("other_clause")):
                self.add_error("clause", _("Less than the payable quotes its clause."))
            elif total < self.row.payable_minor and not cleaned.get("explanation"):
                self.add_error("explanation", _("Where less is recommended the patient is told why."))
        return cleaned


class DeclineForm(ClauseForm):
    explains = _("The patient gets nothing for this claim. He is told the reason and the clause, and may appeal.")
    confirms = _("Decline")

    def build(self) -> None:
        reasons = [(code, words) for code, (words, _tone) in LABELS["review_refusal"].items()]
        self.fields["reason_code"] = forms.ChoiceField(label=_("Reason"), choices=reasons)
        super().build()
        self.fields["explanation"] = words_field(
            _("To the patient"), hint=_("What was decided and why, in plain words. No diagnosis.")
        )


class AskForm(ReviewForm):
    """Step one of the composer: what is needed and why. Step two shows the wording before it goes out."""

    explains = _("One message with everything that is needed. The deadline to decide stands still until the answer.")
    confirms = _("See the wording")

    def build(self) -> None:
        found = self._found()
        self.together = tuple(f"kind_{kind}" for kind in PAPERS)
        why = [("", "–"), *((code, words[in_chinese()]) for code, words in WHY.items())]
        for kind in PAPERS:
            self.fields[f"kind_{kind}"] = forms.ChoiceField(
                label=str(label("document", kind)), choices=why, required=False, initial=found.get(kind, "")
            )
        self.fields["answer_by"] = forms.DateField(
            label=_("Answer by"), initial=self._day(), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        )
        if self.row.materials_asked:
            self.fields["why_not_before"] = words_field(
                _("Why it was not in the first request"), hint=_("A supervisor reads it and lets the request out.")
            )

    def clean_answer_by(self) -> date:
        day: date = self.cleaned_data["answer_by"]
        if day < product_day(product=self.row.product, now=self.now):
            raise forms.ValidationError(_("That day has passed."))
        return day

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.chosen():
            self.add_error(None, _("Nothing is asked for: say for at least one paper why it is needed."))
        return cleaned

    def chosen(self) -> dict[str, str]:
        return {kind: self.cleaned_data[f"kind_{kind}"] for kind in PAPERS if self.cleaned_data.get(f"kind_{kind}")}

    def items(self) -> list[dict[str, str]]:
        return items_of(self.chosen())

    def wording(self) -> tuple[str, str]:
        return message_of(self.items(), claim_no=self.row.claim_no, answer_by=self.cleaned_data["answer_by"])

    def _day(self) -> date:
        terms = self.row.terms
        days = terms_read(terms=terms).materials_within_days if terms is not None else 0
        return product_day(product=self.row.product, now=self.now) + timedelta(days=days)

    def _found(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for result in self.run.results.filter(passed=False) if self.run else ():
            name, why = FOUND.get(result.evidence.get("code", ""), ("", ""))
            found |= dict.fromkeys(result.evidence.get(name, []), why)
        return found


class WordingForm(AskForm):
    """Step two: the same choices, kept out of sight, and the wording in both languages."""

    explains = _("This is what the patient will read. Change it where it helps him; then send it.")
    confirms = _("Send to the patient")

    def build(self) -> None:
        super().build()
        for name, field in self.fields.items():
            if name not in ("version", "back"):
                field.widget = field.hidden_widget()
        self.fields["message"] = words_field(_("In English"), rows=7)
        self.fields["message_zh"] = words_field(_("In Chinese"), rows=7)


class InvestigateForm(ReviewForm):
    explains = _("Something is asked outside: the hospital, the insurer, the basic insurance. Nothing is decided yet.")
    confirms = _("Begin")
    reason = words_field(_("What is looked into"), hint=_("No patient's name, number or diagnosis."))


class InvestigatedForm(ReviewForm):
    explains = _("The claim is before the pre-review again and its rules run once more.")
    confirms = _("Back to the review")
    finding = words_field(_("What was found"), hint=_("No patient's name, number or diagnosis."))


class UpholdForm(ClauseForm):
    explains = _("You have looked at it anew, and the decision stands. The patient is told the clause again.")
    confirms = _("It stands")

    def build(self) -> None:
        super().build()
        self.fields["explanation"] = words_field(_("To the patient"), hint=_("What you looked at. No diagnosis."))


class ReopenForm(ReviewForm):
    explains = _("The appeal wins: the claim is reviewed anew from its beginning.")
    confirms = _("Review anew")
    explanation = words_field(_("To the patient"), hint=_("What was seen differently. No diagnosis."))


class LookForm(ReviewForm):
    explains = _("It was drawn at random. Whatever you say, the decision stays; quality is measured by it.")
    confirms = _("Save")
    agrees = forms.ChoiceField(
        label=_("Would you have decided so?"),
        choices=[("yes", _("Yes")), ("no", _("No"))],
        widget=forms.RadioSelect,
    )
    note = words_field(_("What should have been decided"), required=False, hint=_("Needed where you disagree."))


class PaperForm(ReviewForm):
    explains = _("The paper originals are in the house. The patient is told that they have come.")
    confirms = _("They have come")
    courier_no = forms.RegexField(
        COURIER_NO, label=_("Courier's number"), required=False, help_text=_("Where it differs from the patient's.")
    )


FORMS: dict[str, type[ReviewForm]] = {
    "pass": PassForm,
    "ask": AskForm,
    "investigate": InvestigateForm,
    "decline": DeclineForm,
    "investigated": InvestigatedForm,
    "uphold": UpholdForm,
    "reopen": ReopenForm,
    "look": LookForm,
    "paper": PaperForm,
}


def clauses_of(row: Claim, run: RuleRun | None) -> Sequence[tuple[str, str]]:
    """(English, Chinese): those of rules that routed, then the drug's on the list, then the terms as a whole."""
    found = [(one.clause, one.clause_zh) for one in run.results.filter(passed=False)] if run else []
    if row.terms is not None:
        listed = terms_read(terms=row.terms).listed(row.drug_id)
        if listed is not None:
            found.append((listed.clause, listed.clause_zh))
        number = row.terms.number
        found.append((f"Terms version {number}", f"条款第 {number} 版"))
    return list(dict.fromkeys(found))
