"""The sign-in form of every staff portal: the accounts' rules in the shell's clothes."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import AuthenticationForm

from accounts.forms import StaffSignInForm


class SignInForm(StaffSignInForm, AuthenticationForm):
    """Says when signing in is locked (accounts), looks like the rest (shell)."""

    def __init__(self, request: HttpRequest | None = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        # Django takes the label from the model's field, whose name is not translated.
        self.fields["username"].label = _("User name")
        self.error_messages = {**self.error_messages, "invalid_login": _("User name or password is wrong.")}
