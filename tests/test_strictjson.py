"""What was checked is what is sent: nothing is rounded, nothing is guessed, and bad text is refused by name."""

import json
import math
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.strictjson import MAX_DEPTH, dumps, dumps_lenient, loads, loads_lenient, loads_object, plain

text = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
floats = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20}([eE][+-]?[0-9]{1,2})?|[eE][+-]?[0-9]{1,2})", fullmatch=True
)


@given(values)
def test_compact_json_comes_out_as_the_same_bytes(value):
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert dumps(loads(written)) == written


@given(floats)
def test_every_float_keeps_its_own_spelling(number):
    written = f'{{"n":[{number}]}}'.encode()
    assert dumps(loads(written)) == written


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_refused(body):
    try:
        value = loads(body)
    except InvalidRequest:
        return
    assert json.loads(body) == json.loads(orjson.dumps(value, default=lambda one: orjson.Fragment(bytes(one))))


@given(st.integers())
def test_an_integer_arrives_unchanged_or_is_refused(number):
    try:
        assert dumps(loads(str(number).encode())) == str(number).encode()
    except InvalidRequest:
        assert not -(2**63) <= number < 2**64


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"nul",
        b"{",
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":1}{"b":2}',
        b"// no\n{}",
        b"\xef\xbb\xbf{}",
        b"01",
        b"1.",
        b".5",
        b"+1",
        b'"\x01"',
        b'"\xff"',
        b'"\\x41"',
        b'"\\ud83d"',
        b'"\\ude00"',
        b'{"\\udead":1}',
        '{"a":1}'.encode("utf-16"),
    ],
)
def test_text_that_is_no_json_is_refused(body):
    with pytest.raises(InvalidRequest, match="not valid JSON"):
        loads(body)


@pytest.mark.parametrize("word", [b"NaN", b"Infinity", b"-Infinity", b'{"temperature": NaN}', b"[1, -Infinity]"])
def test_numbers_that_json_does_not_know_are_refused(word):
    with pytest.raises(InvalidRequest, match="not valid JSON"):
        loads(word)


def test_ten_thousand_levels_are_refused():
    for body in (b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000):
        with pytest.raises(InvalidRequest, match="recursion limit"):
            loads(body)


def test_nesting_up_to_the_limit_can_be_written_again():
    body = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert dumps(loads(body)) == body


def test_five_thousand_digits_are_refused():
    with pytest.raises(InvalidRequest, match="out of range"):
        loads(b'{"a":' + b"9" * 5000 + b"}")


def test_a_float_beyond_every_reader_is_refused():
    with pytest.raises(InvalidRequest, match="cannot be passed on unchanged"):
        dumps(loads(b'{"temperature": 1e400}'))


def test_a_value_that_is_no_json_is_refused():
    with pytest.raises(InvalidRequest, match="cannot be passed on unchanged"):
        dumps({"a": object()})
    with pytest.raises(InvalidRequest, match="cannot be passed on unchanged"):
        dumps({"a": "\ud800"})


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"model":"a","model":"b"}', "model"),
        (b'{"x":1,"stream":true,"y":2,"stream":false}', "stream"),
        (b'{"a\\u0062":1,"ab":2}', "ab"),
        (b'{"":1,"":2}', ""),
    ],
)
def test_a_key_given_twice_at_the_top_is_refused(body, name):
    with pytest.raises(InvalidRequest, match="given twice") as refused:
        loads(body)
    assert refused.value.param == name


def test_a_key_given_twice_deeper_down_means_its_last_value():
    assert dumps(loads(b'{"m":[{"a":1,"b":0,"a":2}]}')) == b'{"m":[{"a":2,"b":0}]}'
    assert loads(b'[{"a":1,"a":2}]') == [{"a": 2}]


@pytest.mark.parametrize("rest", [b'"\\ud800"', b"NaN", b"9" * 5000, b"[" * 300 + b"]" * 300])
def test_two_faults_at_once_are_one_refusal(rest):
    with pytest.raises(InvalidRequest):
        loads(b'{"a":1,"a":2,"b":' + rest + b"}")


def test_a_hundred_thousand_keys_are_counted_quickly():
    keys = b",".join(b'"k%d":0' % number for number in range(100_000))
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="k99999: given twice"):
        loads(b"{" + keys + b',"k99999":0}')
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"[]", "an array"), (b'"a"', "a string"), (b"true", "a boolean"), (b"null", "null"), (b"1", "a number"),
     (b"1.5", "a number")],
)  # fmt: skip
def test_a_body_that_is_no_object_is_named(body, kind):
    with pytest.raises(InvalidRequest, match=f"not {kind}"):
        loads_object(body)


def test_an_object_is_what_a_body_has_to_be():
    assert loads_object(b'{"a":[1]}') == {"a": [1]}


def test_a_hosts_words_may_hold_a_key_twice():
    assert loads_lenient(b'{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize("body", [b"<html>", b"NaN", b'"\\ud800"', b""])
def test_a_hosts_words_still_have_to_be_json(body):
    with pytest.raises(ValueError):
        loads_lenient(body)


def test_output_is_compact_utf8():
    assert dumps({"a": ["ü", 1, None, True]}) == '{"a":["ü",1,null,true]}'.encode()
    assert math.isclose(json.loads(dumps({"a": 0.1}))["a"], 0.1)


def test_a_plain_copy_is_taken_by_every_writer():
    value = loads(b'{"a":[0.5,1e400,-1e400,true,null,"x",{"b":18446744073709551616}],"c":18446744073709551615}')
    expected = {"a": [0.5, "1e400", "-1e400", True, None, "x", {"b": str(2**64)}], "c": 2**64 - 1}
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == orjson.loads(orjson.dumps(plain(value))) == expected


def test_a_hosts_numbers_go_out_as_they_came():
    words = b'{"a":[1e400,1.10,123456789012345678901234567890],"b":{"c":-99999999999999999999},"d":"x"}'
    assert dumps_lenient(loads_lenient(words)) == words
    assert dumps_lenient({"a": 1}) == b'{"a":1}'


def test_a_hosts_words_hold_nothing_but_json():
    with pytest.raises(TypeError):
        dumps_lenient({"a": object()})
