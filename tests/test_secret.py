"""A secret shows nowhere but where it is sent."""

import copy
import json
import pickle
import traceback

import pytest
from marshmallow import Schema, ValidationError

from gateway.secret import Secret, SecretField

KEY = Secret("sk-very-secret")


class Settings(Schema):
    key = SecretField()


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{!r}".format, lambda one: f"{one}", lambda one: f"{[one]}"])
def test_a_secret_prints_as_stars(show):
    assert "secret" not in show(KEY)
    assert "***" in show(KEY)


def test_only_revealing_gives_the_text():
    assert KEY.reveal() == "sk-very-secret"


def test_secrets_compare_by_their_text_and_to_nothing_else():
    same, other = Secret("sk-very-secret"), Secret("other")
    assert same == KEY
    assert hash(same) == hash(KEY)
    assert other != KEY
    assert KEY.__eq__("sk-very-secret") is False


@pytest.mark.parametrize("write", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_never_written_down(write):
    with pytest.raises(TypeError):
        write(KEY)


def test_a_traceback_shows_no_secret():
    shown = "".join(traceback.format_exception(RuntimeError("refused", KEY)))
    assert "RuntimeError: ('refused', ***)" in shown


@pytest.mark.parametrize(("text", "kept"), [("sk-1", "sk-1"), ("  sk-1\n", "sk-1")])
def test_a_setting_becomes_a_secret_without_its_blanks(text, kept):
    assert Settings().load({"key": text}) == {"key": Secret(kept)}


def test_a_secret_stays_the_secret_it_is():
    assert Settings().load({"key": KEY})["key"] is KEY


@pytest.mark.parametrize("value", ["", "   ", 7, True, [], {}, None])
def test_a_setting_that_is_no_text_is_refused(value):
    with pytest.raises(ValidationError):
        Settings().load({"key": value})
