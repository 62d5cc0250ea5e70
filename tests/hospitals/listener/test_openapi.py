"""The OpenAPI document says what is true: checked by answers to generated requests, good and bad."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi import checks as conformance

from tests.live import LiveStack

EXAMPLES = {"transactions_create": 120}
EXAMPLES_OTHERWISE = 40
REFUSED = conformance.negative_data_rejection
CHECKS = (
    not_a_server_error,
    conformance.status_code_conformance,
    conformance.content_type_conformance,
    conformance.response_headers_conformance,
    conformance.response_schema_conformance,
    REFUSED,
)


@pytest.fixture(scope="session")
def document(stack: LiveStack) -> dict[str, Any]:
    answer = stack.ask("GET", "openapi.json", headers={"Authorization": ""})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    body: dict[str, Any] = answer.body
    return body


def ask_generated(
    stack: LiveStack, document: dict[str, Any], operation_id: str, mode: GenerationMode, *, examples: int
) -> Counter[int]:
    """Send generated requests and check each answer; returns how often each status came.

    By hand, as the pytest plugin of schemathesis does not know this pytest.
    """
    operation = schemathesis.openapi.from_dict(document).find_operation_by_id(operation_id)
    headers = {"Authorization": f"Bearer {stack.client_keys['HOSP-A']}"}
    seen: Counter[int] = Counter()

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = case.call(base_url=stack.base_urls[0], headers=headers)
        seen[answer.status_code] += 1
        # A list that is too long may be refused for its bytes: schemathesis does not count 413 as a refusal.
        checks = [check for check in CHECKS if answer.status_code != 413 or check is not REFUSED]
        case.validate_response(answer, headers=headers, checks=checks)

    ask()
    return seen


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(
    ("operation_id", "statuses"),
    [
        ("transactions_create", {400, 422}),
        ("transactions_read", {404}),
        ("transactions_abandon", {200, 400, 422}),
        ("transactions_acknowledge", {404}),
        ("transactions_disown", {404}),
        ("transactions_refunded", {404}),
        ("transactions_service_cancelled", {404}),
        ("transactions_messages", {404}),
        ("transactions_slip", {404, 406}),
        ("bills_read", {404}),
        ("bills_read_of_visit", {404}),
        ("abnormal_list", {200, 422}),
        ("shifts_close", {200, 400, 422}),
        ("days_read", {404, 200}),
        ("days_list_put", {404, 422}),
    ],
)
def test_answers_to_generated_requests_are_as_documented(
    stack: LiveStack, document: dict[str, Any], operation_id: str, statuses: set[int], mode: GenerationMode
) -> None:
    examples = EXAMPLES.get(operation_id, EXAMPLES_OTHERWISE)
    seen = ask_generated(stack, document, operation_id, mode, examples=examples)
    assert seen.keys() & statuses, seen
    assert seen.total() >= examples // 3, seen


def test_an_answer_that_is_not_documented_would_be_seen(stack: LiveStack, document: dict[str, Any]) -> None:
    changed = copy.deepcopy(document)
    for status in ("400", "415", "422"):
        del changed["paths"]["/api/his/v1/transactions"]["post"]["responses"][status]
    with pytest.raises((Failure, FailureGroup)):
        ask_generated(stack, changed, "transactions_create", GenerationMode.NEGATIVE, examples=5)


def test_the_document_is_openapi_3_1_and_its_schemas_are_json_schema(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
    assert document["security"] == [{"clientKey": []}]


def test_it_names_every_operation_and_answer(document: dict[str, Any]) -> None:
    answers = {
        (path, method): " ".join(sorted(operation["responses"]))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert answers == {
        ("/api/his/v1/transactions", "post"): "200 202 400 401 403 405 408 409 413 415 422 500 503",
        **dict.fromkeys(
            [
                ("/api/his/v1/transactions/{his_no}", "get"),
                ("/api/his/v1/transactions/{his_no}/messages", "get"),
                ("/api/his/v1/bills/{visit_no}", "get"),
                ("/api/his/v1/bills/{visit_no}/{bill_no}", "get"),
            ],
            "200 401 403 404 405 408 413 500 503",
        ),
        **dict.fromkeys(
            [
                (f"/api/his/v1/transactions/{{his_no}}/{act}", "post")
                for act in ("abandon", "acknowledge", "disown", "refunded", "service-cancelled")
            ],
            "200 400 401 403 404 405 408 409 413 415 422 500 503",
        ),
        ("/api/his/v1/days/{business_date}", "get"): "200 401 403 404 405 408 413 500 503",
        ("/api/his/v1/days/{business_date}/list", "put"): "200 400 401 403 404 405 408 409 413 415 422 500 503",
        ("/api/his/v1/shifts/{shift_no}/close", "post"): "200 400 401 403 404 405 408 409 413 415 422 500 503",
        ("/api/his/v1/transactions/{his_no}/slip", "get"): "200 401 403 404 405 406 408 409 413 500 503",
        ("/api/his/v1/abnormal", "get"): "200 401 403 405 408 413 422 500 503",
        ("/api/his/v1/lanes", "get"): "200 401 403 405 408 413 500 503",
    }


def validator(document: dict[str, Any], name: str) -> Any:
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    )


def test_every_example_is_of_its_shape(document: dict[str, Any]) -> None:
    """Checked here too, because the pages that show them do not."""
    checked: Counter[str] = Counter()
    for operations in document["paths"].values():
        for operation in operations.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                for media in body.get("content", {}).values():
                    for example in media.get("examples", {}).values():
                        whole = {**media["schema"], "components": document["components"]}
                        jsonschema_rs.Draft202012Validator(whole).validate(example["value"])
                        checked[operation["operationId"]] += 1
    assert checked["transactions_create"] == 6
    assert checked.keys() >= {"transactions_read", "transactions_abandon", "bills_read", "abnormal_list", "lanes_list"}


def test_the_insurer_may_be_left_to_the_platform(document: dict[str, Any]) -> None:
    schema = validator(document, "TransactionRequest")
    wish = document["paths"]["/api/his/v1/transactions"]["post"]["requestBody"]["content"]["application/json"]
    settle = wish["examples"]["Settle"]["value"]
    for insurance in (None, {"scheme": "310"}, {"scheme": "310", "region": None}):
        schema.validate(settle | {"insurance": insurance})
    assert not schema.is_valid(settle | {"insurance": {"region": "110000"}})


@pytest.mark.parametrize("ending", ["1237", "9001", "9004", "9005"])
def test_verdicts_are_as_documented(stack: LiveStack, document: dict[str, Any], ending: str) -> None:
    wish = stack.wish(ending=ending)
    validator(document, "TransactionRequest").validate(wish)
    validator(document, "TransactionAnswer").validate(stack.post(wish).body)


def test_a_pending_answer_is_as_documented(stack: LiveStack, document: dict[str, Any]) -> None:
    stack.latency("SANDBOX-A", 1.0)
    answer = stack.post(stack.wish(wait_seconds=0))
    validator(document, "TransactionAnswer").validate(answer.body)
    documented = document["paths"]["/api/his/v1/transactions"]["post"]["responses"]["202"]["headers"]
    assert {name.lower() for name in documented} - {"idempotent-replayed"} <= set(answer.headers)


def test_the_documented_wish_of_the_contract_is_accepted(stack: LiveStack, document: dict[str, Any]) -> None:
    """The example of the contract, every optional member filled."""
    wish = json.loads("""{
      "his_no": "HIS-20261122-000001", "operation": "settle",
      "operator": {"no": "C12", "name": "李四", "terminal_no": "W03", "shift_no": "S-1"},
      "person": {"id_type": "01", "id_no": "110101199001011237", "name": "张三", "credential": null, "contact": null},
      "visit": {"visit_no": "V-1001", "kind": "outpatient", "med_type": "11", "department": "肿瘤科",
                "doctor_no": "D07", "registration_no": null, "diagnoses": [{"code": "C34.9", "name": "肺癌"}]},
      "bill": {"bill_no": "B-1", "batch_no": null},
      "insurance": {"scheme": "310", "region": "110000"},
      "items": [{"line_no": 1, "code": "XM0001", "hospital_code": null, "name": "检查费", "quantity": "1",
                 "unit_price": "100.000000", "amount_minor": 10000}],
      "total_minor": 10000, "currency": "CNY", "of": null, "retry_of": null, "replaces": null,
      "presettle_of": null, "expect_cash_minor": null, "wait_seconds": 10}""")
    validator(document, "TransactionRequest").validate(wish)
    # The generated requests play with the example under its own numbers.
    wish |= {"his_no": "HIS-20261122-000009", "visit": wish["visit"] | {"visit_no": "V-1009"}}
    assert stack.post(wish).verdict == "succeeded"
