"""Content parts to blocks."""

import base64

import pytest

from gateway import InvalidRequest

MARK = {"type": "ephemeral"}
PDF = "JVBERi0="


def turn(client, *parts):
    ((only),) = client.turns({"role": "user", "content": [*parts]})
    return only["content"]


def image(url, **more):
    return {"type": "image_url", "image_url": {"url": url, "detail": "high"}, **more}


def file(**fields):
    return {"type": "file", "file": fields}


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://example.com/x.png", {"type": "url", "url": "https://example.com/x.png"}),
        ("data:image/png;base64,aGk=", {"type": "base64", "media_type": "image/png", "data": "aGk="}),
        ("DATA:image/GIF;charset=x;BASE64,aGk=", {"type": "base64", "media_type": "image/gif", "data": "aGk="}),
        ("data:image/jpg;base64,aGk=", {"type": "base64", "media_type": "image/jpeg", "data": "aGk="}),
    ],
)
def test_an_image_comes_by_address_or_as_data(client, url, source):
    assert turn(client, image(url, cache_control=MARK)) == [{"type": "image", "source": source, "cache_control": MARK}]


def test_an_image_may_be_a_bare_address(client):
    part = {"type": "image_url", "image_url": "https://example.com/x.png"}
    assert turn(client, part) == [{"type": "image", "source": {"type": "url", "url": "https://example.com/x.png"}}]


@pytest.mark.parametrize(
    "url", ["x.png", "file:///x", "data:image/png,aGk=", "data:;base64,aGk=", "data:image/png;base64"]
)
def test_an_image_from_elsewhere_is_refused(client, url):
    with pytest.raises(InvalidRequest) as error:
        turn(client, image(url))
    assert error.value.param == "messages[0].content[0].image_url.url"


@pytest.mark.parametrize(
    ("fields", "block"),
    [
        (
            {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"},
            {"source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "a.pdf"},
        ),
        (
            {"file_data": PDF, "filename": "a.PDF"},
            {"source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "a.PDF"},
        ),
        ({"file_data": PDF}, {"source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}),
        (
            {"file_data": base64.b64encode("Grüße".encode()).decode(), "filename": "a.txt"},
            {"source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}, "title": "a.txt"},
        ),
        (
            {"file_data": "https://example.com/a.pdf"},
            {"source": {"type": "url", "url": "https://example.com/a.pdf"}},
        ),
        ({"file_id": "file_1"}, {"source": {"type": "file", "file_id": "file_1"}}),
        (
            {"file_id": "https://example.com/a.pdf", "filename": "a.pdf"},
            {"source": {"type": "url", "url": "https://example.com/a.pdf"}, "title": "a.pdf"},
        ),
    ],
)
def test_a_file_becomes_a_document(client, fields, block):
    assert turn(client, file(**fields)) == [{"type": "document", **block}]


def test_a_file_that_is_an_image_becomes_one(client):
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    assert turn(client, file(file_data="aGk=", filename="x.png")) == [{"type": "image", "source": source}]
    assert turn(client, file(file_data="aGk=", format="image/png")) == [{"type": "image", "source": source}]


def test_text_that_is_no_text_is_refused(client):
    for data in ("%%%", "/w=="):
        with pytest.raises(InvalidRequest, match="file_data"):
            turn(client, file(file_data=data, filename="a.txt"))


def test_audio_is_refused(client):
    with pytest.raises(InvalidRequest) as error:
        turn(client, {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}})
    assert error.value.param == "messages[0].content[0].type"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "url", "url": "x"}, "cache_control": MARK},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "citations": {}},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": ""}]},
        {"type": "thinking", "thinking": "", "signature": "s"},
        {"type": "novelty", "anything": {"nested": [1, None]}},
    ],
)
def test_a_block_of_the_messages_api_stays_as_it_is(client, block):
    assert turn(client, block) == [block]


def test_text_keeps_its_further_keys_but_openais_own_cache_mark(client):
    part = {"type": "text", "text": "x", "citations": None, "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert turn(client, part) == [{"type": "text", "text": "x", "citations": None}]


def test_a_cache_mark_on_the_message_goes_to_its_last_block(client):
    message = {"role": "user", "content": "x", "cache_control": MARK}
    assert client.turns(message) == [
        {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": MARK}]}
    ]
    own = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert client.turns({"role": "user", "content": [own], "cache_control": MARK})[0]["content"] == [own]
