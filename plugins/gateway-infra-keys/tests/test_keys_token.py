import re
import secrets

import pytest
from gateway_infra_keys.token import PREFIX, Token, is_id, new_id

from gateway import Secret

PEPPER = Secret("0123456789abcdef")


def changed(text, position):
    return text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]


def test_a_token_is_its_prefix_an_id_256_bits_and_a_checksum():
    token = Token.new()
    assert re.fullmatch(r"sk-gw-[0-9a-z]{12}-[A-Za-z0-9_-]{43}-[A-Za-z0-9]{6}", token.text)
    assert token.text.startswith(PREFIX + token.id)
    assert len(token.text) <= 256
    assert token.hint == token.text[-4:]


def test_a_token_is_read_as_it_was_made():
    token = Token.new()
    assert Token.parse(token.text) == token


def test_a_rotation_keeps_the_id():
    first = Token.new()
    second = Token.new(first.id)
    assert (second.id, second.text == first.text) == (first.id, False)


def test_a_change_of_any_one_character_is_noticed():
    token = Token.new()
    assert [position for position in range(len(token.text)) if Token.parse(changed(token.text, position))] == []


@pytest.mark.parametrize("text", ["", "sk-gw-", "sk-1234", "\0", "sk-gw-é", "sk-gw-" + "a" * 1_000_000])
def test_what_is_no_token_is_none(text):
    assert Token.parse(text) is None


def test_space_around_a_token_makes_it_none():
    text = Token.new().text
    assert [Token.parse(one) for one in (f"{text}\n", f" {text}", f"{text}\0", text.upper())] == [None] * 4


def test_printing_a_token_shows_no_secret():
    token = Token.new()
    assert token.text not in f"{token} {token!r}"
    assert token.text[19:62] not in f"{token} {token!r}"


def test_the_hash_takes_the_pepper():
    token = Token.new()
    assert token.hash(PEPPER) == token.hash(PEPPER)
    assert token.hash(PEPPER) != token.hash(Secret("0123456789abcdeg"))
    assert re.fullmatch(r"[0-9a-f]{64}", token.hash(PEPPER))


def test_an_id_is_told_from_other_names():
    assert is_id(new_id())
    assert [
        name for name in ("", "master", "anonymous", "A" * 12, "a" * 13, "a" * 11, "a" * 12 + "\n") if is_id(name)
    ] == []


def test_tokens_never_meet():
    assert len({Token.new().text for _ in range(2000)}) == 2000


def test_the_checksum_does_not_let_noise_through():
    noise = (f"{PREFIX}{'a' * 12}-{secrets.token_urlsafe(32)}-{'0' * 6}" for _ in range(1000))
    assert [text for text in noise if Token.parse(text)] == []
