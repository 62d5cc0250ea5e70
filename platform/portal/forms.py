"""The sign-in form of every staff portal: the accounts' rules in the shell's clothes."""

from __future__ import annotations

from unfold.forms import AuthenticationForm

from accounts.forms import StaffSignInForm


class SignInForm(StaffSignInForm, AuthenticationForm):
    """Says when signing in is locked (accounts), looks like the rest (shell)."""
