"""Who asks: a session of his own cookie; one transaction that sees his persons; failures as problem+json."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiResponse
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import DictField, Serializer
from rest_framework.views import APIView

from core.clock import database_now
from core.errors import Problem
from core.ids import new_trace_id
from core.problems import CONTENT_TYPE
from core.row_security import persons_see
from patients.api.shapes import PageRequest
from patients.selectors.standing import Standing, standing_of

COOKIE = "medisettle_patient"
ACCOUNT = "patient_account"
SESSION_SECONDS = 12 * 3600
BODY_BYTES = 256 * 1024
SESSION_KEY = re.compile(r"[a-z0-9]{32}")
SAFE = ("GET", "HEAD", "OPTIONS")


class NotSignedIn(Problem):
    code = "not_signed_in"
    status = 401
    title = "Please sign in"
    detail = "There is no session, or it is over."
    detail_zh = "尚未登录或登录已失效。"
    fix = "Ask for a code and sign in with it."
    fix_zh = "请获取验证码后登录。"


class ForgeryFeared(Problem):
    code = "csrf_failed"
    status = 403
    title = "This request does not come from our pages"
    detail = "The header X-CSRFToken is missing or does not fit the cookie."
    detail_zh = "请求缺少或携带了无效的 X-CSRFToken。"
    fix = "Read `csrf_token` under /session and send it in the header X-CSRFToken with everything that acts."
    fix_zh = "请从 /session 读取 csrf_token，并在每个操作请求的 X-CSRFToken 头中携带。"


class BodyTooLarge(Problem):
    code = "upload_too_large"
    status = 413
    title = "Too much at once"
    detail = "This address takes at most {most} bytes."
    detail_zh = "请求体过大，此地址最多接收 {most} 字节。"
    fix = "Send less at once; photograph papers with a lower resolution."
    fix_zh = "请减少单次发送的内容；拍摄材料时请降低分辨率。"


class ProblemDocument(Serializer[Any]):
    """What went wrong, and who must do what (RFC 9457)."""

    def to_representation(self, instance: Any) -> Any:
        return DictField().to_representation(instance)


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    told = OpenApiResponse(ProblemDocument, description="problem+json: what went wrong, and who must do what.")
    return {(status, CONTENT_TYPE): told for status in sorted({401, 403, *statuses})}


def _nothing(_: HttpRequest) -> HttpResponse:
    """The check asks for a view; ours is none of Django's own."""
    return HttpResponse()


class PatientSession(BaseAuthentication):
    """The cookie's session; whatever acts carries the token against forged requests, signed in or not."""

    def authenticate(self, request: Request) -> tuple[Standing, None] | None:
        if request.method not in SAFE:
            check = CSRFCheck(_nothing)
            check.process_request(request._request)
            if check.process_view(request._request, _nothing, (), {}):
                raise ForgeryFeared
        account_id = session_account(request._request)
        standing = standing_of(account_id=account_id, now=database_now()) if account_id is not None else None
        return (standing, None) if standing is not None else None


class PatientSessionScheme(OpenApiAuthenticationExtension):
    target_class = PatientSession
    name = "patientSession"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": COOKIE}


class PatientDoor(APIView):
    """Open to whoever is not signed in: `request.user` is a Standing or None. Services keep their own transactions."""

    authentication_classes = (PatientSession,)
    most_bytes = BODY_BYTES

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before anything reads the body: the check against forged requests looks into forms.
        if int(request.META.get("CONTENT_LENGTH") or 0) > self.most_bytes:
            raise BodyTooLarge(most=self.most_bytes)
        super().initial(request, *args, **kwargs)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        found: Request = super().initialize_request(request, *args, **kwargs)
        found.trace_id = new_trace_id()  # type: ignore[attr-defined]
        return found


class PatientView(PatientDoor):
    """For whoever is signed in: one transaction that sees his persons, rolled back whole by a refusal."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with transaction.atomic():
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            if response.status_code >= 400:
                transaction.set_rollback(True)
        response["Cache-Control"] = "no-store"
        return response

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        persons_see(standing_in(request).sees)


def standing_in(request: Request) -> Standing:
    """Who is signed in. Raises NotSignedIn."""
    if not isinstance(request.user, Standing):
        raise NotSignedIn
    return request.user


def trace_of(request: Request) -> str:
    trace_id: str = request.trace_id  # type: ignore[attr-defined]
    return trace_id


def session_account(request: HttpRequest) -> UUID | None:
    key = _key(request)
    found = session_store(key).get(ACCOUNT) if key else None
    return UUID(found) if found else None


def _key(request: HttpRequest) -> str:
    """The cookie's session key; empty for what we never gave out."""
    key = request.COOKIES.get(COOKIE, "")
    return key if SESSION_KEY.fullmatch(key) else ""


def session_store(key: str | None = None) -> Any:
    """Django's own session, under our cookie: staff may be signed in with the same browser."""
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def session_begin(response: Response, standing: Standing) -> None:
    """A session of a new key, never one that was there before."""
    session = session_store()
    session[ACCOUNT] = str(standing.account_id)
    session.set_expiry(SESSION_SECONDS)
    session.create()
    response.set_cookie(
        COOKIE,
        session.session_key,
        max_age=SESSION_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def session_end(request: HttpRequest, response: Response) -> None:
    key = _key(request)
    if key:
        session_store(key).delete()
    response.delete_cookie(COOKIE, samesite="Lax")


def asked(shape: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """The validated body or query. Raises DRF's ValidationError."""
    form = shape(data=data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def page(rows: QuerySet[Any], request: Request) -> tuple[list[Any], str | None]:
    """Rows by descending identifier from the cursor `after` on, at most `limit`, and the cursor of the next page."""
    wished = asked(PageRequest, request.query_params)
    ordered = rows.order_by("-id")
    if wished["after"] is not None:
        ordered = ordered.filter(id__lt=wished["after"])
    found = list(ordered[: wished["limit"] + 1])
    shown = found[: wished["limit"]]
    return shown, str(shown[-1].pk) if len(found) > wished["limit"] else None
