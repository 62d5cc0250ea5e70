"""The doors out: an SMS provider behind one interface, and e-mail by Django's backend. Network only, no database."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.module_loading import import_string

from notices.states import Channel


class NotSent(Exception):
    """The provider has refused for good, e.g. a number that does not exist. `args[0]` has no personal data."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out. `reference` is ours: a provider that sees it twice sends once."""

    channel: Channel
    to: str
    subject: str
    text: str
    reference: str


class SmsSender(Protocol):
    """What an SMS provider's module offers. `settings.SMS_SENDER` names the class."""

    def send(self, *, to: str, text: str, reference: str) -> str:
        """Hand one message to the provider; returns the provider's number of it.

        Raises NotSent when it was refused for good. Anything else means that it is not known.
        """


class FileSms:
    """The provider of demo and tests: a message is a file named by its reference, written once."""

    def send(self, *, to: str, text: str, reference: str) -> str:
        folder = Path(settings.OUTBOX_FOLDER) / "sms"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{reference}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"to": to, "text": text, "reference": reference}, ensure_ascii=False))
        os.replace(part, path)
        return path.stem


class NoSms:
    """Production without a provider: every message is refused, and says why."""

    def send(self, *, to: str, text: str, reference: str) -> str:
        raise NotSent("no SMS provider is configured")


def message_send(message: Message) -> str:
    """Hand `message` to the door of its channel; returns the provider's number, empty for e-mail. Raises NotSent."""
    if message.channel == Channel.SMS:
        sender = cast(SmsSender, import_string(settings.SMS_SENDER)())
        return sender.send(to=message.to, text=message.text, reference=message.reference)
    mail = EmailMessage(
        subject=message.subject,
        body=message.text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[message.to],
        headers={"Message-ID": f"<{message.reference}@{settings.EMAIL_DOMAIN}>"},
    )
    mail.send()
    return ""
