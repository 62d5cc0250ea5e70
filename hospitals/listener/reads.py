"""What a hospital reads beside its verdicts: bills, the abnormal list, lanes, the path of the messages."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse, JsonResponse, QueryDict
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from accounts.services import KeyHolder
from accounts.states import Scope
from core.errors import NotFound
from exchange.selectors.abnormal import PAGE_ENTRIES, Place, abnormal_page
from exchange.selectors.lanes import LaneLink, lane_links
from exchange.selectors.messages import message_path
from exchange.selectors.transactions import transactions_visible
from exchange.services.bills import bill_give
from hospitals.listener import database, examples
from hospitals.listener.api import HIS_NO_IN_PATH, HIS_NO_PARAMETER, ListenerView, in_order, problems, trace_of
from hospitals.listener.database import Question
from hospitals.listener.read_shapes import AbnormalAnswer, BillAnswer, LanesAnswer, MessagesAnswer

READING = problems(401, 403, 405, 408, 413, 500, 503)
NUMBER = r"[^\x00\s](?:[^\x00\n\r]*[^\x00\s])?"
NUMBER_IN_PATH = re.compile(NUMBER)
NUMBER_LIMIT = 64


def number_parameter(name: str, description: str, limit: int = NUMBER_LIMIT) -> OpenApiParameter:
    form = {"type": "string", "minLength": 1, "maxLength": limit}
    return OpenApiParameter(name, form, OpenApiParameter.PATH, description=description)


VISIT_NO = number_parameter("visit_no", "Percent-encoded, also a `/` in it.")
BILL_NO = number_parameter("bill_no", "Percent-encoded. The visit's number finds the bill without one, too.")
CURSOR = OpenApiParameter(
    "cursor", str, OpenApiParameter.QUERY, description="From the page before; left out: from the top."
)


class OneBill(ListenerView):
    @extend_schema(
        operation_id="bills_read",
        parameters=[VISIT_NO, BILL_NO],
        responses={200: BillAnswer} | READING | problems(404),
        examples=examples.BILL,
    )
    async def get(self, request: Any, holder: KeyHolder, visit_no: str, bill_no: str) -> HttpResponse:
        """Every transaction, self-payment and refund of a bill, and whether it is square."""
        return await _bill(request, holder, visit_no, bill_no)


class BillOfVisit(ListenerView):
    @extend_schema(
        operation_id="bills_read_of_visit",
        parameters=[VISIT_NO],
        responses={200: BillAnswer} | READING | problems(404),
        examples=examples.BILL,
    )
    async def get(self, request: Any, holder: KeyHolder, visit_no: str) -> HttpResponse:
        """The bill of a visit whose wishes named no `bill_no`."""
        return await _bill(request, holder, visit_no, "")


async def _bill(request: Any, holder: KeyHolder, visit_no: str, bill_no: str) -> HttpResponse:
    holder.require(Scope.TRANSACTIONS_READ)
    for number in (visit_no, bill_no):
        if number and (len(number) > NUMBER_LIMIT or not NUMBER_IN_PATH.fullmatch(number)):
            raise NotFound(noun="bill", noun_zh="账单", key=f"{visit_no[:80]}/{bill_no[:80]}")
    organisation_id = holder.organisation_id

    def ask(now: datetime) -> dict[str, Any]:
        return bill_give(organisation_id=organisation_id, visit_no=visit_no, bill_no=bill_no, now=now)

    told = await database.questions.do(Question(organisation_id, ask))
    told["transactions"] = [in_order(one) for one in told["transactions"]]
    return _told(told, request)


class Abnormal(ListenerView):
    @extend_schema(
        operation_id="abnormal_list",
        parameters=[CURSOR],
        responses={200: AbnormalAnswer} | READING | problems(422),
        examples=examples.ABNORMAL,
        description=f"What needs somebody now, oldest first, at most {PAGE_ENTRIES} entries a page.",
    )
    async def get(self, request: Any, holder: KeyHolder) -> HttpResponse:
        """What needs somebody now, oldest first."""
        holder.require(Scope.TRANSACTIONS_READ)
        after = _asked(request.GET)
        organisation_id = holder.organisation_id

        def ask(now: datetime) -> dict[str, Any]:
            page = abnormal_page(organisation_id=organisation_id, now=now, after=after)
            entries = [entry.as_dict(now=now) for entry in page.entries]
            return {"entries": entries, "cursor": _cursor(page.after) if page.after else None}

        return _told(await database.questions.do(Question(organisation_id, ask)), request)


def _asked(parameters: QueryDict) -> Place | None:
    """Where to go on; None: at the top. A misspelt `cursor` would begin at the top for ever: it is refused.

    Raises ValidationError.
    """
    if unknown := sorted(parameters.keys() - {"cursor"}):
        raise serializers.ValidationError({unknown[0][:80]: "is no parameter of this address"})
    cursors = parameters.getlist("cursor")
    if len(cursors) > 1:
        raise serializers.ValidationError({"cursor": "stands more than once"})
    return _place(cursors[0]) if cursors and cursors[0] else None


def _cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.at.isoformat()}|{place.id.hex}".encode()).decode()


def _place(cursor: str) -> Place:
    """Raises ValidationError for a cursor that we did not make."""
    try:
        at, _, name = base64.b64decode(cursor.encode(), altchars=b"-_", validate=True).decode().partition("|")
        place = Place(datetime.fromisoformat(at), UUID(name))
        # Ours comes back as it went; with every other spelling somebody has played.
        if _cursor(place) == cursor and place.at.tzinfo is not None:
            return place
    except (ValueError, binascii.Error):
        pass
    raise serializers.ValidationError({"cursor": "is none of ours: leave it out to begin at the top"})


class Lanes(ListenerView):
    @extend_schema(operation_id="lanes_list", responses={200: LanesAnswer} | READING, examples=examples.LANES)
    async def get(self, request: Any, holder: KeyHolder) -> HttpResponse:
        """The way to each insurer, so that a cashier knows before he tries."""
        holder.require(Scope.TRANSACTIONS_READ)

        def ask(now: datetime) -> dict[str, Any]:
            return {"lanes": [_lane(link) for link in lane_links(now=now)]}

        return _told(await database.questions.do(Question(holder.organisation_id, ask)), request)


def _lane(link: LaneLink) -> dict[str, Any]:
    return {
        "insurer": link.insurer,
        "interface": link.interface,
        "name": link.insurer_name,
        "name_zh": link.insurer_name_zh,
        "state": link.state,
        "paused_since": link.paused_at,
        "paused_reason": link.paused_reason or None,
    }


class Messages(ListenerView):
    @extend_schema(
        operation_id="transactions_messages",
        parameters=[HIS_NO_PARAMETER],
        responses={200: MessagesAnswer} | READING | problems(404),
    )
    async def get(self, request: Any, holder: KeyHolder, his_no: str) -> HttpResponse:
        """The wish and every message to and from the insurer, personal data masked."""
        holder.require(Scope.TRANSACTIONS_READ)
        organisation_id = holder.organisation_id

        def ask(_: datetime) -> dict[str, Any]:
            found = transactions_visible().filter(organisation_id=organisation_id, his_no=his_no).first()
            if found is None:
                raise NotFound(noun="transaction", noun_zh="交易", key=his_no)
            path = message_path(transaction=found, organisations=[organisation_id])
            return {"his_no": his_no, **path.as_dict()}

        if not HIS_NO_IN_PATH.fullmatch(his_no):
            raise NotFound(noun="transaction", noun_zh="交易", key=his_no[:80])
        return _told(await database.questions.do(Question(organisation_id, ask)), request)


def _told(answer: dict[str, Any], request: Any) -> JsonResponse:
    return JsonResponse({**answer, "trace_id": trace_of(request)}, json_dumps_params={"ensure_ascii": False})
