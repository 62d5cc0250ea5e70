"""The sign-in form of the staff portals."""

from __future__ import annotations

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext

from accounts.backends import LOCKED_UNTIL


class StaffSignInForm(AdminAuthenticationForm):
    """Django's, but it says so when signing in is locked for a while."""

    def get_invalid_login_error(self) -> ValidationError:
        locked_until = getattr(self.request, LOCKED_UNTIL, None)
        if locked_until is None:
            return super().get_invalid_login_error()
        moment = timezone.localtime(locked_until).strftime("%H:%M")
        message = gettext("Too many tries. Signing in is locked until %(moment)s; the password itself still holds.")
        return ValidationError(message % {"moment": moment}, code="sign_in_locked")
