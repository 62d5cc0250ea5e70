"""What the staff portals' forms share: the sign-in by the accounts' rules, and amounts as people type them."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from accounts.forms import StaffSignInForm
from core.money import EXPONENTS, LARGEST_MINOR


class SignInForm(StaffSignInForm, AuthenticationForm):
    """Says when signing in is locked (accounts), looks like the rest (shell)."""

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        # Django takes the label from the model's field, whose name is not translated.
        self.fields["username"].label = _("User name")
        self.error_messages = {**self.error_messages, "invalid_login": _("User name or password is wrong.")}


class AmountField(forms.CharField):
    """`1,234.56` as people type it; cleans to minor units of `currency`."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "class": "ms-amount"})

    def __init__(self, *, currency: str, least_minor: int = 1, **kwargs: Any) -> None:
        self.exponent, self.least_minor = EXPONENTS[currency], least_minor
        super().__init__(max_length=24, **kwargs)

    def shown(self, minor: int) -> str:
        return f"{Decimal(minor).scaleb(-self.exponent):.{self.exponent}f}"

    def clean(self, value: Any) -> int | None:
        typed = re.sub(r"[,，\s¥￥]", "", super().clean(value) or "")
        if not typed:
            return None
        try:
            # Digits only: Decimal would take 1e3 and NaN as well.
            amount = Decimal(typed if re.fullmatch(r"-?\d{1,15}(\.\d+)?", typed, re.ASCII) else "x")
            minor = amount.scaleb(self.exponent)
        except InvalidOperation:
            raise forms.ValidationError(_("Enter an amount such as 80.00.")) from None
        if minor != int(minor):
            raise forms.ValidationError(_("There is no smaller unit: enter at most two decimal places."))
        if not self.least_minor <= minor <= LARGEST_MINOR:
            raise forms.ValidationError(_("Enter an amount above zero."))
        return int(minor)
