"""The bench as reviewers use it: queue, claim, decision; what is refused says why; nobody else gets in."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from accounts.models import AuditEntry
from accounts.states import OrganisationKind, Role
from claims.models import Decision, MaterialsRequest
from claims.services.ends import claim_appeal, claim_withdraw
from claims.services.materials import materials_answered
from core.clock import database_now
from core.ids import new_trace_id
from prereview.models import AskWaiting, SecondLook
from tests.prereview.house import PASSWORD, Desk, fresh, make_desk, reviewer, taken
from tests.prereview.portal.conftest import Bench, bench_of, words
from tests.registry.house import insurer_of, make_shelf
from tests.roles import rows

CLAUSE = "Article 5.2"
LESS = {"line_1": "3000.00", "clause": "0", "risk": "LOW", "explanation": "One box only."}
DECLINE = {"reason_code": "not_indicated", "clause": "0", "explanation": "The list names another illness."}
ASK = {"kind_INVOICE": "unreadable", "kind_GENE_TEST": "missing", "answer_by": "2030-01-01"}


def act(bench: Bench, claim: Any, name: str, **values: Any) -> Any:
    return bench.post(f"claims/{claim.pk}/{name}/", **({"version": fresh(claim.pk).version} | values))


def send_ask(bench: Bench, claim: Any, **values: Any) -> Any:
    """Both steps of the composer: what is needed, then the wording as it was shown."""
    shown = act(bench, claim, "ask", **ASK, **values)
    assert shown.status_code == 200, words(shown)
    assert claim.claim_no in words(shown)
    return act(bench, claim, "ask", **ASK, **values, message="Please send it.", message_zh="请补充。")


def test_the_queue_says_what_waits_and_why(desk: Desk) -> None:
    claim = taken(desk.shelf, urgent=True)
    second = taken(desk.shelf, invoice_no="FP-1")
    third = taken(desk.shelf, invoice_no="FP-1")
    shown = words(bench_of(desk.lin).get(""))
    assert shown.index(claim.claim_no) < shown.index(second.claim_no)
    assert "To review 3" in shown
    assert "A person looks at: Duplicate papers" in shown
    assert "High risk" in shown
    assert third.claim_no in shown


def test_an_empty_queue_says_that_this_is_good(desk: Desk) -> None:
    shown = words(bench_of(desk.lin).get(""))
    assert "Nothing waits to be reviewed." in shown
    assert "That is good" in shown


def test_the_next_claim_is_the_urgent_one_then_what_nobody_holds(desk: Desk) -> None:
    claims = [taken(desk.shelf), taken(desk.shelf, urgent=True)]
    for username, claim in (("lin", claims[1]), ("mei", claims[0])):
        answer = bench_of(getattr(desk, username)).post("next/")
        assert answer.headers["Location"] == f"/review/claims/{claim.pk}/"
    assert bench_of(desk.tang).post("next/").headers["Location"] == "/review/"


def test_the_claim_page_shows_rules_with_clauses_and_the_arithmetic_line_by_line(desk: Desk) -> None:
    claim = taken(desk.shelf)
    shown = words(bench_of(desk.lin).get(f"claims/{claim.pk}/"))
    for word in ("Every rule passes.", "80 %", "5,000.00", "4,000.00", CLAUSE, claim.policy.policy_no, "Claim filed"):
        assert word in shown, word


def test_a_person_is_shown_whole_only_to_who_holds_the_claim(desk: Desk) -> None:
    claim = taken(desk.shelf)
    lin, mei = bench_of(desk.lin), bench_of(desk.mei)
    assert "李雷" not in words(lin.get(f"claims/{claim.pk}/"))
    lin.take(claim)
    assert "李雷" in words(lin.get(f"claims/{claim.pk}/"))
    assert "李雷" not in words(mei.get(f"claims/{claim.pk}/"))


def test_paper_originals_are_noted_where_they_are_due(db: None) -> None:
    desk = make_desk(make_shelf(materials=[], paper_above_minor=1))
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    address = f"claims/{claim.pk}/"
    assert "Send the paper originals" in words(lin.get(address))
    assert act(lin, claim, "paper", courier_no="no number").status_code == 422
    assert act(lin, claim, "paper", courier_no="SF1234567890").status_code == 302
    assert (fresh(claim.pk).paper, fresh(claim.pk).paper_courier_no) == ("RECEIVED", "SF1234567890")
    shown = words(lin.get(address))
    assert "Paper originals received" in shown
    assert "Send the paper originals" not in shown
    assert act(lin, claim, "paper").status_code == 409


def test_who_opened_a_persons_data_stands_in_the_audit_trail(desk: Desk) -> None:
    claim = taken(desk.shelf)
    bench_of(desk.lin).take(claim)
    opened = AuditEntry.objects.filter(action="claim.opened", subject=str(claim.pk))
    assert list(opened.values_list("actor", flat=True)) == ["lin"]


def test_nothing_is_decided_before_the_claim_is_taken(desk: Desk) -> None:
    claim = taken(desk.shelf)
    page = bench_of(desk.lin).get(f"claims/{claim.pk}/").content.decode()
    assert page.count("Take the claim first") == 8
    assert "data-dialog" not in page


def test_a_reviewer_recommends_and_the_insurer_has_it(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    assert lin.get(f"claims/{claim.pk}/pass/").status_code == 200
    assert act(lin, claim, "pass", line_1="4,000.00", risk="MEDIUM").status_code == 302
    decision = Decision.objects.get(claim=claim)
    assert (decision.word, decision.amount_minor, decision.by) == ("PASS", 400_000, "lin")
    assert decision.lines == [{"line_no": 1, "amount_minor": 400_000, "clause": ""}]
    assert (fresh(claim.pk).state, fresh(claim.pk).risk) == ("IN_CONFIRMATION", "MEDIUM")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"line_1": "4000.01"}, "more than the payable"),
        ({"line_1": "3999.99"}, "quotes its clause"),
        ({"line_1": "3999.99", "clause": "0"}, "the patient is told why"),
        ({"line_1": "-1"}, "Enter an amount"),
        ({"line_1": "1e3"}, "Enter an amount such as"),
        ({"line_1": "3000", "other_clause": "Article 9"}, "in both languages"),
        ({"line_1": "4000", "risk": "NONE"}, "Select a valid choice"),
        ({"line_1": "4000", "clause": "99"}, "Select a valid choice"),
    ],
)
def test_a_recommendation_that_cannot_stand_is_asked_again(desk: Desk, values: dict[str, str], says: str) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    answer = act(lin, claim, "pass", **({"risk": "LOW"} | values))
    assert answer.status_code == 422
    assert says in words(answer)
    assert fresh(claim.pk).state == "IN_PREREVIEW"


def test_less_than_the_payable_quotes_its_clause(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    assert act(lin, claim, "pass", **LESS).status_code == 302
    decision = Decision.objects.get(claim=claim)
    assert decision.amount_minor == 300_000
    assert decision.clause.startswith(CLAUSE)
    assert decision.clause_zh.startswith("第5.2条")


def test_a_refusal_has_reason_clause_and_words_for_the_patient(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    assert act(lin, claim, "decline", **(DECLINE | {"explanation": ""})).status_code == 422
    assert act(lin, claim, "decline", **DECLINE).status_code == 302
    shown = words(lin.get(f"claims/{claim.pk}/"))
    assert "Declined in pre-review" in shown
    assert "Outside the listed indications" in shown
    assert Decision.objects.get(claim=claim).terms_number == 1


def test_two_reviewers_on_one_claim(desk: Desk) -> None:
    claim, lin, mei = taken(desk.shelf), bench_of(desk.lin), bench_of(desk.mei)
    lin.take(claim)
    refused = mei.post(f"claims/{claim.pk}/hold/", hold="take")
    assert refused.status_code == 409
    assert "Lin" in words(refused)
    refused = act(mei, claim, "decline", **DECLINE)
    assert refused.status_code == 409
    assert "open with Lin" in words(refused)
    lin.post(f"claims/{claim.pk}/hold/", hold="give_back")
    mei.take(claim)
    assert act(mei, claim, "decline", **DECLINE).status_code == 302


def test_a_claim_that_moved_meanwhile_is_not_decided(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    seen = fresh(claim.pk).version
    claim_withdraw(claim_id=claim.pk, by="patient:1", now=database_now(), trace_id=new_trace_id())
    answer = act(lin, claim, "pass", version=seen, line_1="4000", risk="LOW")
    assert answer.status_code == 409
    assert "was changed since you opened it" in words(answer)
    assert fresh(claim.pk).state == "WITHDRAWN"


def test_the_composer_shows_the_wording_before_it_goes_out(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    shown = words(act(lin, claim, "ask", **ASK))
    assert "- Invoice: the picture cannot be read" in shown
    assert "- 基因检测报告：提交的材料中没有此项" in shown
    assert not MaterialsRequest.objects.exists()
    assert send_ask(lin, claim).status_code == 302
    request = MaterialsRequest.objects.get(claim=claim)
    assert [item["kind"] for item in request.items] == ["GENE_TEST", "INVOICE"]
    assert (request.message, request.message_zh) == ("Please send it.", "请补充。")
    assert fresh(claim.pk).state == "MATERIALS_REQUESTED"
    assert "stands still" in words(lin.get(f"claims/{claim.pk}/"))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"kind_INVOICE": "", "kind_GENE_TEST": ""}, "Nothing is asked for"),
        ({"answer_by": "2020-01-01"}, "That day has passed"),
        ({"answer_by": "soon"}, "Enter a valid date"),
        ({"kind_INVOICE": "because"}, "Select a valid choice"),
    ],
)
def test_a_request_that_asks_for_nothing_possible_is_asked_again(desk: Desk, values: dict[str, str], says: str) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    answer = act(lin, claim, "ask", **(ASK | values))
    assert answer.status_code == 422
    assert says in words(answer)


def asked_twice(desk: Desk) -> tuple[Any, Bench]:
    """A claim whose second ask waits for a supervisor."""
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    send_ask(lin, claim)
    now = database_now()
    materials_answered(
        claim_id=claim.pk, by="patient:1", on_behalf=False, now=now, trace_id=new_trace_id(), missing_because="lost"
    )
    lin.take(claim)
    assert act(lin, claim, "ask", **ASK).status_code == 422
    assert send_ask(lin, claim, why_not_before="The invoice came without its second page.").status_code == 302
    return claim, lin


def test_a_second_request_goes_out_under_a_supervisors_name_too(desk: Desk) -> None:
    claim, lin = asked_twice(desk)
    ask = AskWaiting.objects.get(claim=claim)
    assert fresh(claim.pk).state == "IN_PREREVIEW"
    for nobody in (lin, bench_of(desk.mei)):
        assert "Send to the patient" not in words(nobody.get(f"asks/{ask.pk}/"))
        assert nobody.post(f"asks/{ask.pk}/", decision="let_out").status_code == 403
    tang = bench_of(desk.tang)
    assert "without its second page" in words(tang.get("asks/"))
    assert tang.post(f"asks/{ask.pk}/", decision="let_out").status_code == 302
    request = MaterialsRequest.objects.get(claim=claim, number=2)
    assert (request.asked_by, request.supervisor) == ("lin", "tang")
    assert tang.get(f"asks/{ask.pk}/").status_code == 404


def test_a_second_request_whose_claim_was_decided_meanwhile_waits_for_nobody(desk: Desk) -> None:
    claim, lin = asked_twice(desk)
    ask = AskWaiting.objects.get(claim=claim)
    assert act(lin, claim, "pass", line_1="4000", risk="LOW").status_code == 302
    tang = bench_of(desk.tang)
    assert "No second request waits." in words(tang.get("asks/"))
    assert tang.post(f"asks/{ask.pk}/", decision="let_out").status_code == 404


def test_a_supervisor_may_keep_a_second_request_back(desk: Desk) -> None:
    claim, _lin = asked_twice(desk)
    ask = AskWaiting.objects.get(claim=claim)
    bench_of(desk.tang).post(f"asks/{ask.pk}/", decision="refuse", note="Decide on what is there.")
    found = AskWaiting.objects.get(pk=ask.pk)
    assert (found.outcome, found.ended_by, found.note) == ("REFUSED", "tang", "Decide on what is there.")
    assert MaterialsRequest.objects.filter(claim=claim).count() == 1


def test_a_supervisor_does_not_let_out_what_he_asks_himself(desk: Desk) -> None:
    claim, _lin = asked_twice(desk)
    ask = AskWaiting.objects.get(claim=claim)
    rows("UPDATE prereview_askwaiting SET proposed_by = 'tang' WHERE id = %s", [ask.pk])
    assert bench_of(desk.tang).post(f"asks/{ask.pk}/", decision="let_out").status_code == 403


def test_something_is_looked_into_and_comes_back(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    assert act(lin, claim, "investigate", reason="The hospital is asked for its record.").status_code == 302
    assert claim.claim_no in words(lin.get("?bucket=investigation"))
    assert act(lin, claim, "investigated", finding="The record agrees.").status_code == 302
    assert fresh(claim.pk).state == "IN_PREREVIEW"


def appealed(desk: Desk) -> Any:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    act(lin, claim, "decline", **DECLINE)
    claim_appeal(claim_id=claim.pk, by="patient:1", reason="new", now=database_now(), trace_id=new_trace_id())
    return claim


def test_an_appeal_is_decided_by_somebody_else_and_may_win(desk: Desk) -> None:
    claim, lin, mei = appealed(desk), bench_of(desk.lin), bench_of(desk.mei)
    assert claim.claim_no in words(lin.get("?bucket=appeals"))
    assert "another person looks at it" in words(lin.get(f"claims/{claim.pk}/"))
    refused = act(lin, claim, "reopen", explanation="Yes.")
    assert refused.status_code in (403, 409)
    assert act(mei, claim, "reopen", explanation="The report shows it.").status_code == 302
    assert fresh(claim.pk).state == "IN_PREREVIEW"
    assert "Reopened on appeal" in words(mei.get(f"claims/{claim.pk}/"))


def test_an_appeal_may_be_upheld_with_the_clause(desk: Desk) -> None:
    claim, mei = appealed(desk), bench_of(desk.mei)
    assert act(mei, claim, "uphold", clause="0", explanation="Looked at anew.").status_code == 302
    assert fresh(claim.pk).state == "PREREVIEW_DECLINED"
    assert Decision.objects.filter(claim=claim, word="UPHOLD", by="mei").exists()


def test_a_drawn_decision_has_its_second_look_by_somebody_else_once(desk: Desk) -> None:
    claim, lin, mei = taken(desk.shelf), bench_of(desk.lin), bench_of(desk.mei)
    rows("UPDATE claims_claim SET re_review = true, version = version + 1 WHERE id = %s", [claim.pk])
    lin.take(claim)
    act(lin, claim, "pass", line_1="4000", risk="LOW")
    assert claim.claim_no in words(mei.get("?bucket=drawn"))
    assert act(lin, claim, "look", agrees="yes").status_code == 403
    assert act(mei, claim, "look", agrees="no").status_code == 422
    assert act(mei, claim, "look", agrees="no", note="Article 5.2 asks for another test.").status_code == 302
    assert SecondLook.objects.get(claim=claim).agrees is False
    assert act(mei, claim, "look", agrees="yes").status_code == 409
    assert claim.claim_no not in words(mei.get("?bucket=drawn"))


def test_the_rules_page_names_the_pack_of_each_product(desk: Desk) -> None:
    shown = words(bench_of(desk.lin).get("rules/"))
    for word in ("City Care", "Standing checks", "5 %", "never", "Early refill"):
        assert word in shown, word


def test_the_palette_finds_a_claim_by_its_numbers(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    for term in (claim.claim_no, claim.claim_no.lower(), claim.policy.policy_no, claim.trace_id):
        assert claim.claim_no in lin.get(f"search/?s={term}").content.decode(), term
    assert claim.claim_no not in lin.get("search/?s=C").content.decode()


def test_nobody_else_enters(desk: Desk) -> None:
    claim = taken(desk.shelf)
    addresses = ["", f"claims/{claim.pk}/", f"claims/{claim.pk}/pass/", "asks/", "rules/"]
    tpa = insurer_of("TPA-1", OrganisationKind.TPA)
    strangers = [
        reviewer(desk.shelf.insurer, "ji", Role.INSURER_CLERK),
        reviewer(tpa, "administrator", Role.REVIEWER),
        reviewer(desk.home, "operator", Role.OPERATOR),
    ]
    for client in (Client(), *(signed_in(user.username) for user in strangers)):
        for address in addresses:
            answer = Bench(client).get(address)
            assert (answer.status_code, "/review/login/" in answer.headers["Location"]) == (302, True), address
        assert Bench(client).post(f"claims/{claim.pk}/decline/", version=0, **DECLINE).status_code == 302
    assert fresh(claim.pk).state == "IN_PREREVIEW"


def signed_in(username: str) -> Client:
    client = Client()
    client.post("/review/login/", {"username": username, "password": PASSWORD})
    return client


def test_what_does_not_exist_is_not_told_from_a_draft(desk: Desk) -> None:
    lin = bench_of(desk.lin)
    for address in (f"claims/{uuid4()}/", f"claims/{uuid4()}/pass/", f"asks/{uuid4()}/", "claims/1/", "nowhere"):
        assert lin.get(address).status_code == 404, address
    claim = taken(desk.shelf)
    assert lin.get(f"claims/{claim.pk}/refuse-at-once/").status_code == 404
    assert lin.get(f"claims/{claim.pk}/pages/{uuid4()}/1/").status_code == 404


def test_a_form_leads_back_into_the_portal_only(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    for back in ("https://elsewhere.example/", "//elsewhere.example/review/", "/hospital/"):
        answer = lin.post(f"claims/{claim.pk}/hold/", hold="take", back=back)
        assert answer.headers["Location"] == f"/review/claims/{claim.pk}/"


def test_a_lease_ends_by_itself(desk: Desk) -> None:
    claim, lin = taken(desk.shelf), bench_of(desk.lin)
    lin.take(claim)
    rows("UPDATE claims_claimlease SET until = %s", [database_now() - timedelta(seconds=1)])
    bench_of(desk.mei).take(claim)
    assert re.search(r"With\s+Mei", words(lin.get(f"claims/{claim.pk}/")))
