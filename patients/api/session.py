"""Signing in and out, whose number it is, consents, helpers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.middleware.csrf import get_token, rotate_token
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.clock import database_now
from core.row_security import persons_see
from patients.api.answers import (
    CodeAnswer,
    ConsentsAnswer,
    HelperAnswer,
    HelpersPage,
    InvitationsAnswer,
    SessionAnswer,
)
from patients.api.base import (
    PatientDoor,
    PatientView,
    asked,
    page,
    problems,
    session_begin,
    session_end,
    standing_in,
    trace_of,
)
from patients.api.shapes import (
    CodeRequest,
    ConsentRequest,
    HelperRequest,
    IdentityRequest,
    PersonRequest,
    SignInRequest,
)
from patients.consent_texts import text_current
from patients.selectors.consents import consents_current
from patients.selectors.helpers import helper_name, helpers_of, invitations_of
from patients.selectors.standing import Standing
from patients.services.consents import consent_give, consent_withdraw
from patients.services.helpers import helper_end, helper_invite, invitation_accept
from patients.services.sign_in import VALID_SECONDS, code_request, code_sign_in, identity_bind
from patients.states import ConsentCode, HelperScope
from registry.selectors.persons import person_by_id, person_facts


def session_shown(request: Request, standing: Standing | None) -> dict[str, Any]:
    """Who is signed in and for whom he acts; the names are read in a transaction that sees these persons."""
    acts: list[dict[str, Any]] = []
    if standing is not None:
        with transaction.atomic():
            persons_see(standing.sees)
            for act in standing.acts:
                person = person_by_id(person_id=act.person_id)
                name = person_facts(person=person).name if person is not None else ""
                acts.append({"person_id": act.person_id, "name": name, "capacity": act.capacity, "scopes": act.scopes})
    shown = {
        "signed_in": standing is not None,
        "csrf_token": get_token(request._request),
        "person_id": standing.person_id if standing is not None else None,
        "language": standing.language if standing is not None else "zh-hans",
        "acts_for": acts,
    }
    return dict(SessionAnswer(shown).data)


def whose(request: Request, wished: UUID | None) -> UUID:
    """The person asked for, or oneself; one who is not bound yet has to name somebody. Raises NotFound."""
    standing = standing_in(request)
    person_id = wished or standing.person_id or standing.account_id
    return standing.act_for(person_id=person_id).person_id


class Session(PatientDoor):
    @extend_schema(operation_id="session_read", auth=[], responses={200: SessionAnswer})
    def get(self, request: Request) -> Response:
        """Whether somebody is signed in, for whom he acts, and the token for everything that acts."""
        user = request.user if isinstance(request.user, Standing) else None
        return Response(session_shown(request, user), headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="session_delete", responses={204: None} | problems())
    def delete(self, request: Request) -> Response:
        """Sign out."""
        response = Response(status=204)
        session_end(request._request, response)
        return response


class SignInCodes(PatientDoor):
    @extend_schema(
        operation_id="sign_in_code", auth=[], request=CodeRequest, responses={202: CodeAnswer} | problems(422, 429)
    )
    def post(self, request: Request) -> Response:
        """Send a code by SMS. The answer is the same whether or not anybody is known by the number."""
        wished = asked(CodeRequest, request.data)
        code_request(
            phone=wished["phone"],
            language=wished["language"],
            address=str(request.META.get("REMOTE_ADDR", "")),
            now=database_now(),
            trace_id=trace_of(request),
        )
        return Response({"valid_seconds": VALID_SECONDS}, status=202)


class SignIn(PatientDoor):
    @extend_schema(
        operation_id="sign_in", auth=[], request=SignInRequest, responses={200: SessionAnswer} | problems(422, 429)
    )
    def post(self, request: Request) -> Response:
        """Sign in with the code; a cookie holds the session."""
        wished = asked(SignInRequest, request.data)
        standing = code_sign_in(
            phone=wished["phone"],
            code=wished["code"],
            language=wished["language"],
            address=str(request.META.get("REMOTE_ADDR", "")),
            now=database_now(),
        )
        rotate_token(request._request)
        response = Response(session_shown(request, standing))
        session_begin(response, standing)
        return response


class Identity(PatientDoor):
    @extend_schema(
        operation_id="identity_bind",
        request=IdentityRequest,
        responses={200: SessionAnswer} | problems(409, 422, 429),
    )
    def post(self, request: Request) -> Response:
        """Say who you are: name, document and number are compared with what your insurer has on record."""
        standing, wished = standing_in(request), asked(IdentityRequest, request.data)
        bound = identity_bind(account_id=standing.account_id, now=database_now(), **wished)
        return Response(session_shown(request, bound))


class Consents(PatientView):
    @extend_schema(
        operation_id="consents_list", parameters=[PersonRequest], responses={200: ConsentsAnswer} | problems(404, 422)
    )
    def get(self, request: Request) -> Response:
        """The texts in their current versions, and what the person has agreed to."""
        wished = asked(PersonRequest, request.query_params)
        return Response({"items": _consents(whose(request, wished["person_id"]))})

    @extend_schema(
        operation_id="consents_set",
        request=ConsentRequest,
        responses={200: ConsentsAnswer} | problems(404, 409, 422),
    )
    def post(self, request: Request) -> Response:
        """Agree to a text, or take it back."""
        wished, standing, now = asked(ConsentRequest, request.data), standing_in(request), database_now()
        person_id, code = wished["person_id"], ConsentCode(wished["code"])
        if wished["given"]:
            version = wished["version"]
            consent_give(standing=standing, person_id=person_id, code=code, version=version, now=now)
        else:
            consent_withdraw(standing=standing, person_id=person_id, code=code, now=now)
        return Response({"items": _consents(whose(request, person_id))})


class Helpers(PatientView):
    @extend_schema(
        operation_id="helpers_list", parameters=[PersonRequest], responses={200: HelpersPage} | problems(404, 422)
    )
    def get(self, request: Request) -> Response:
        """Who helps the person, or was invited to, or did."""
        wished, standing = asked(PersonRequest, request.query_params), standing_in(request)
        act = standing.owner_of(person_id=whose(request, wished["person_id"]))
        rows, following = page(helpers_of(person_id=act.person_id), request)
        return Response({"items": [_helper(row) for row in rows], "next": following})

    @extend_schema(
        operation_id="helpers_invite", request=HelperRequest, responses={201: HelperAnswer} | problems(404, 409, 422)
    )
    def post(self, request: Request) -> Response:
        """Invite whoever has that number; she signs in with it and accepts."""
        wished = asked(HelperRequest, request.data)
        scopes = [HelperScope(code) for code in wished.pop("scopes")]
        grant = helper_invite(standing=standing_in(request), scopes=scopes, now=database_now(), **wished)
        return Response(_helper(grant), status=201)


class OneHelper(PatientView):
    @extend_schema(operation_id="helpers_end", responses={204: None} | problems(404))
    def delete(self, request: Request, grant_id: UUID) -> Response:
        """End it at once: by the person, his guardian, or the helper herself."""
        helper_end(standing=standing_in(request), grant_id=grant_id, now=database_now(), trace_id=trace_of(request))
        return Response(status=204)


class Invitations(PatientView):
    @extend_schema(operation_id="invitations_list", responses={200: InvitationsAnswer} | problems())
    def get(self, request: Request) -> Response:
        """What this number was invited to."""
        found = invitations_of(account_id=standing_in(request).account_id, now=database_now())
        return Response(InvitationsAnswer({"items": found}).data)


class AcceptInvitation(PatientView):
    @extend_schema(operation_id="invitations_accept", request=None, responses={200: SessionAnswer} | problems(404))
    def post(self, request: Request, grant_id: UUID) -> Response:
        """Accept: from now on one may act for the person."""
        standing = invitation_accept(
            account_id=standing_in(request).account_id,
            grant_id=grant_id,
            now=database_now(),
            trace_id=trace_of(request),
        )
        return Response(session_shown(request, standing))


def _consents(person_id: UUID) -> list[dict[str, Any]]:
    current = consents_current(person_id=person_id)
    items = []
    for code in ConsentCode:
        text, record = text_current(code), current.get(code)
        given = record is not None and record.given and record.version == text.version
        items.append(
            {
                "code": code,
                "version": text.version,
                "text": text.text,
                "text_zh": text.text_zh,
                "given": given,
                "at": record.at if record is not None else None,
            }
        )
    shown: list[dict[str, Any]] = ConsentsAnswer({"items": items}).data["items"]
    return shown


def _helper(grant: Any) -> dict[str, Any]:
    names = ("id", "scopes", "until", "invited_at", "accepted_at", "ended_at")
    values = {name: getattr(grant, name) for name in names}
    return dict(HelperAnswer(values | {"name": helper_name(grant=grant)}).data)
