"""The sandbox's steering wheel under `/_control/`; it belongs to no bank and is never part of the contract."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from .app import Bank, body_of, plain
from .book import NoAccount
from .faults import BadPlan, FaultPlan, seconds_read

CONTROL_PREFIX = "/_control/"
MINOR_MAXIMUM = 10**15
TEXTS = {"account_no": 34, "holder": 140, "currency": 3, "remittance": 500, "name": 140, "account": 34}


class Control:
    """Answers the control requests of one bank."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self._posts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "account": self._account,
            "credit": self._credit,
            "charge": self._charge,
            "return": self._return,
            "faults": self._faults,
            "booking": self._booking,
            "reset": self._reset,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one control request with JSON."""
        name = request.path.removeprefix(CONTROL_PREFIX)
        try:
            if request.method == "POST" and name in self._posts:
                content = json.loads(await request.read() or b"{}")
                if not isinstance(content, dict):
                    raise BadPlan("not an object")
                self.bank.due()
                return web.Response(body=body_of(self._posts[name](content)), content_type="application/json")
            if request.method == "GET" and name == "book":
                self.bank.due()
                return web.Response(body=body_of(self.bank.book.whole()), content_type="application/json")
            if request.method == "GET" and name == "faults":
                return web.Response(body=body_of(self.bank.faults.as_dict()), content_type="application/json")
        except (BadPlan, ValueError) as error:
            return plain(400, "bad_control", str(error))
        except NoAccount:
            return plain(404, "no_account")
        return plain(404, "not_found", f"POST {', '.join(self._posts)}; GET book, faults")

    def _account(self, content: dict[str, Any]) -> dict[str, Any]:
        texts = _texts(content, "account_no", "holder", "currency")
        self.bank.book.open(**texts, balance_minor=_minor(content, at_least=0))
        return {"opened": texts["account_no"]}

    def _credit(self, content: dict[str, Any]) -> dict[str, Any]:
        texts = _texts(content, "account_no", "currency", "remittance", "name", "account")
        other = texts.pop("account")
        self.bank.book.credit(**texts, other=other, amount_minor=_minor(content), day=self.bank.day())
        return {"credited": True}

    def _charge(self, content: dict[str, Any]) -> dict[str, Any]:
        texts = _texts(content, "account_no", "currency", "remittance")
        self.bank.book.charge(**texts, amount_minor=_minor(content), day=self.bank.day())
        return {"charged": True}

    def _return(self, content: dict[str, Any]) -> dict[str, Any]:
        code = str(content.get("code", "AC04"))
        done = self.bank.book.give_back(str(content.get("message_id")), code, day=self.bank.day())
        if not done:
            raise BadPlan("message_id names no booked payment")
        return {"returned": True}

    def _faults(self, content: dict[str, Any]) -> dict[str, Any]:
        self.bank.faults = FaultPlan(content)
        return self.bank.faults.as_dict()

    def _booking(self, content: dict[str, Any]) -> dict[str, Any]:
        """`seconds`: how long after it was taken a payment is booked; null: not until this is set anew."""
        seconds = content.get("seconds")
        self.bank.booking_seconds = None if seconds is None else seconds_read(seconds, "seconds")
        return {"seconds": self.bank.booking_seconds}

    def _reset(self, _: dict[str, Any]) -> dict[str, Any]:
        self.bank.faults = FaultPlan()
        self.bank.booking_seconds = 0.0
        self.bank.book.empty()
        return {"reset": True}


def _texts(content: dict[str, Any], *names: str) -> dict[str, str]:
    texts = {name: content.get(name, "") for name in names}
    for name, text in texts.items():
        if not isinstance(text, str) or len(text) > TEXTS[name]:
            raise BadPlan(f"{name} must be a text of at most {TEXTS[name]} characters")
    return texts


def _minor(content: dict[str, Any], at_least: int = 1) -> int:
    name = "balance_minor" if at_least == 0 else "amount_minor"
    minor = content.get(name, 0)
    if isinstance(minor, bool) or not isinstance(minor, int) or not at_least <= minor < MINOR_MAXIMUM:
        raise BadPlan(f"{name} must be whole minor units from {at_least}")
    return minor
