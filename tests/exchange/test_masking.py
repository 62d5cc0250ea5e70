from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.masking import SHOWN_CHARACTERS, masked, masked_body, masked_text, personal_values

ID_NO, OLD_ID_NO, PHONE, NAME = "110101199001011237", "110101900101123", "13800138000", "张三丰"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("name", NAME, "张**"),
        ("psn_name", "欧阳娜娜", "欧**"),
        ("id_no", ID_NO, "110***********1237"),
        ("certno", ID_NO, "110***********1237"),
        ("policy_no", "P-1", "***"),
        ("tel", PHONE, "138****8000"),
        ("credential", "ECODE-9f3a77c1", "***"),
        ("Authorization", "Bearer abc", "***"),
        ("contact", {"phone": PHONE}, "***"),
        ("id_no", 110101199001011237, "110***********1237"),
        ("credential", None, None),
        ("his_no", "HIS-20261122-000001", "HIS-20261122-000001"),
        ("msgid", "MS0000000000000001", "MS0000000000000001"),
        ("total_minor", 13800138000, 13800138000),
    ],
)
def test_it_hides_by_field(field: str, value: object, shown: object) -> None:
    assert masked({"person": {field: value}}) == {"person": {field: shown}}


def test_names_of_things_stay() -> None:
    body = {
        "items": [{"name": "检查费"}],
        "visit": {"diagnoses": [{"name": "肺恶性肿瘤"}]},
        "operator": {"name": "李四光"},
    }
    assert masked(body) == body | {"operator": {"name": "李**"}}


@pytest.mark.parametrize("secret", [ID_NO, ID_NO[:-1] + "X", OLD_ID_NO, PHONE, "+86 " + PHONE])
def test_it_hides_numbers_in_free_text_whatever_the_field(secret: str) -> None:
    shown = json.dumps(masked({"text": f"call {secret}, now", "list": [secret], "number": secret}))
    assert secret not in shown
    assert secret not in masked_text(secret)


@pytest.mark.parametrize(
    "text",
    ["MS0000000000000001", "20261122080000", "01a201ff-9cd4-7d2d-be55-44e279b43dd7", "H1101012026112208000000010001"],
)
def test_numbers_of_messages_and_moments_stay(text: str) -> None:
    assert masked_text(text) == text


def test_what_one_message_calls_personal_is_hidden_in_the_texts_of_another() -> None:
    known = personal_values({"person": {"name": NAME, "credential": "ECODE-9f3a77c1", "contact": {"phone": PHONE}}})
    assert known == {NAME, "ECODE-9f3a77c1", PHONE}
    assert masked({"text": f"{NAME} 未参保 ECODE-9f3a77c1"}, known=known) == {"text": "*** 未参保 ***"}


def test_values_too_short_to_be_told_from_words_are_not_searched_for() -> None:
    assert personal_values({"name": "Li", "credential": "张"}) == frozenset()


def test_a_body_that_is_no_json_any_more_is_hidden_too() -> None:
    broken = f'{{"person": {{"id_no": "{ID_NO[:9]}', f'x"name" : "{NAME}", "tel":"{PHONE}"'
    for text in broken:
        shown = masked_body(text.encode())
        assert ID_NO[:9] not in shown
        assert NAME not in shown
        assert PHONE not in shown


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    assert "�" in masked_body(b"\xff\xfe ok")


def test_a_deep_body_is_shown_as_text() -> None:
    assert masked_body(b"[" * 100_000).startswith("[[")


def test_a_long_body_is_cut() -> None:
    assert len(masked_body(json.dumps(["x" * 100] * 2000).encode())) == SHOWN_CHARACTERS + 2


@given(JSON)
def test_the_shape_stays_and_hiding_twice_changes_nothing(value: object) -> None:
    once = masked(value)
    assert masked(once) == once or isinstance(value, dict | list)
    if isinstance(value, dict):
        assert list(once) == list(value)
    if isinstance(value, list):
        assert len(once) == len(value)


@given(st.sampled_from(["id_no", "name", "credential", "phone", "contact", "psn_no"]), JSON, JSON)
def test_no_personal_field_shows_its_value(field: str, other: object, more: object) -> None:
    shown = json.dumps(masked({"a": [{"b": {field: "SECRET-VALUE-12345"}}], "c": other, "d": more}), ensure_ascii=False)
    assert "ECRET-VALUE" not in shown
