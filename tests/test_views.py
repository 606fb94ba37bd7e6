"""The front door: bodies, models, errors outside the corridor."""

import io

import pytest
from flask import Blueprint

from gateway import Principal, TooLarge, hookimpl
from gateway.errors import ClientLeft, InvalidRequest, UnsupportedMedia
from gateway.testing import found
from gateway.views import Limits, WsgiDoor

KEYED = "general_settings: {master_key: sk-a-long-one}"


def door(body=b"{}", limit=100, **environ):
    told = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    return WsgiDoor({**told, **environ}, lambda *_: lambda _data: None, Limits(limit))


def test_a_body_is_read_whole():
    assert door(b'{"a": 1}').body() == b'{"a": 1}'
    assert door(b"{}", CONTENT_LENGTH="").body() == b"{}"
    assert door(b"{}", CONTENT_TYPE="application/vnd.x+json; charset=utf-8").body() == b"{}"
    assert door(b"{}", CONTENT_TYPE="").body() == b"{}"


@pytest.mark.parametrize(
    ("environ", "error"),
    [
        ({"CONTENT_TYPE": "text/html"}, UnsupportedMedia),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, UnsupportedMedia),
        ({"CONTENT_LENGTH": "101"}, TooLarge),
        ({"CONTENT_LENGTH": "٣"}, InvalidRequest),
        ({"CONTENT_LENGTH": "-1"}, InvalidRequest),
        ({"CONTENT_LENGTH": "50"}, ClientLeft),
    ],
)
def test_a_bad_frame_is_the_clients_fault(environ, error):
    with pytest.raises(error):
        door(**environ).body()


def test_an_endless_body_is_stopped_at_the_limit():
    with pytest.raises(TooLarge):
        door(b"x" * 200, CONTENT_LENGTH="").body()


def test_a_parser_that_raises_is_the_clients_fault():
    class Broken:
        def read(self, _size):
            raise RuntimeError("bad chunk")

    with pytest.raises(InvalidRequest, match="framing is broken"):
        door(**{"wsgi.input": Broken()}).body()


def test_a_closed_connection_is_a_client_that_left():
    def broken(_data):
        raise BrokenPipeError

    one = WsgiDoor({}, lambda *_: broken, Limits(100))
    with pytest.raises(LookupError):
        one.write(b"x")
    one.begin(299, {})
    with pytest.raises(ClientLeft):
        one.write(b"x")


def test_a_client_that_left_before_the_answer_still_gets_a_status(gateway_app):
    client = gateway_app().test_client()
    answer = client.post("/v1/messages", json={}, environ_overrides={"CONTENT_LENGTH": "50"})
    assert answer.status_code == 499


def test_models_are_listed_for_clients_of_both_apis(gateway_app):
    client = gateway_app(yaml=KEYED).test_client()
    listed = client.get("/v1/models", headers={"x-api-key": "sk-a-long-one"}).json
    (model,) = listed["data"]
    assert (listed["object"], model["object"], model["type"]) == ("list", "model", "model")
    assert (model["max_tokens"], model["owned_by"]) == (1000, "test")
    assert listed["first_id"] == listed["last_id"] == model["id"]
    assert client.get("/models/anything", headers={"x-api-key": "sk-a-long-one"}).json["id"] == "anything"


@pytest.mark.parametrize(
    ("query", "status"), [("limit=1", 200), ("limit=0", 400), ("limit=x", 400), ("limit=9999", 400)]
)
def test_models_come_in_pages(gateway_app, query, status):
    client = gateway_app().test_client()
    assert client.get(f"/v1/models?{query}").status_code == status


def test_pages_go_on_where_the_last_one_ended(gateway_app):
    client = gateway_app().test_client()
    name = client.get("/v1/models").json["data"][0]["id"]
    assert client.get(f"/v1/models?after_id={name}").json["data"] == []
    assert client.get(f"/v1/models?before_id={name}").json["data"] == []


def test_a_wrong_key_is_told_in_a_shape_that_both_read(gateway_app):
    answer = gateway_app(yaml=KEYED).test_client().get("/v1/models", headers={"x-api-key": "no"})
    assert (answer.status_code, answer.headers["x-should-retry"]) == (401, "false")
    assert answer.json["error"]["type"] == "authentication_error"
    assert answer.json["error"]["code"] == "unauthenticated"


def test_nothing_there_and_wrong_method_are_json(gateway_app):
    client = gateway_app().test_client()
    assert client.get("/nope").json["error"]["message"] == "There is nothing at '/nope'."
    answer = client.get("/v1/messages")
    assert (answer.status_code, "POST" in answer.headers["allow"]) == (405, True)


def test_a_view_that_breaks_tells_nothing_of_itself(gateway_app, caplog):
    class Broken:
        @hookimpl
        def register_views(self):
            views = Blueprint("broken", __name__)

            @views.get("/broken")
            def broken():
                raise RuntimeError("the secret inside")

            return views

    answer = gateway_app(found(Broken, "broken", "infra")).test_client().get("/broken")
    assert answer.status_code == 500
    assert b"secret" not in answer.data
    assert "the secret inside" in caplog.text


def test_health_needs_no_key(gateway_app):
    client = gateway_app(yaml=KEYED).test_client()
    assert client.get("/health/liveliness").json == "I'm alive!"
    assert client.get("/health/readiness").json["status"] == "healthy"
    assert client.get("/healthz").json == client.get("/readyz").json == {"status": "ok"}
    assert client.head("/api/hello").status_code == 200


def test_explaining_takes_the_same_bodies_as_the_surface(gateway_app):
    client = gateway_app(yaml="general_settings: {max_request_size_mb: 0.0001}").test_client()
    body = b'{"model": "m", "max_tokens": 5, "messages": []}'
    assert client.post("/explain", data=body).json["refused"] is None
    for wrong in (b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100):
        answer = client.post("/explain", data=wrong)
        assert (answer.status_code, answer.json["error"]["type"]) == (400, "invalid_request_error"), wrong
    assert client.post("/explain", data=b"x" * 200).status_code == 413
    assert client.post("/explain", data=body, content_type="text/html").status_code == 415
    assert client.post("/explain", data=body, headers={"content-encoding": "gzip"}).status_code == 415
    assert client.post("/explain", data=body, environ_overrides={"CONTENT_LENGTH": "99"}).status_code == 499
    assert client.get("/explain").status_code == 405


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("surface=smoke", "surface: there is no 'smoke', only: messages."),
        ("full=maybe", "full: has to be true or false."),
    ],
)
def test_explaining_names_what_it_does_not_understand(gateway_app, query, message):
    answer = gateway_app().test_client().post(f"/explain?{query}", json={})
    assert (answer.status_code, answer.json["error"]["message"]) == (400, message)


def test_explaining_takes_a_key_and_a_model_that_is_there(gateway_app):
    client = gateway_app(yaml=KEYED).test_client()
    assert client.post("/explain", json={"model": "m"}).status_code == 401
    key = {"x-api-key": "sk-a-long-one"}
    assert client.post("/explain", json={"max_tokens": 1}, headers=key).json["refused"]["param"] == "model"
    long = {"model": "m" * 300, "max_tokens": 1, "messages": []}
    answer = client.post("/explain", json=long, headers=key)
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "unknown_model")


class Office:
    """A plugin with views of the operator's, and a key that is not."""

    @hookimpl
    def register_views(self):
        views = Blueprint("office", __name__)

        @views.get("/admin/things")
        def things():
            return {"things": []}

        @views.get("/things")
        def others():
            return {"things": []}

        return views

    @hookimpl
    def authenticate_request(self, credential):
        return Principal("plain") if credential == "sk-plain" else None


OFFICE = found(Office, "office", "infra")


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/admin/things", "sk-a-long-one", 200),
        ("/admin/things", "sk-plain", 404),
        ("/admin/things", "sk-nobody", 404),
        ("/admin/things", None, 404),
        ("/admin/nothing", "sk-a-long-one", 404),
        ("/admin/nothing", "sk-plain", 404),
        ("/things", "sk-a-long-one", 200),
        ("/things", "sk-plain", 403),
        ("/things", None, 401),
        ("/v1/models", "sk-plain", 200),
    ],
)
def test_nobody_but_the_operator_sees_the_operators_views(gateway_app, path, key, status):
    client = gateway_app(OFFICE, yaml=KEYED).test_client()
    answer = client.get(path, headers={"x-api-key": key} if key else {})
    assert answer.status_code == status
    if status == 404:
        assert answer.json["error"]["message"] == f"There is nothing at {path!r}."


@pytest.mark.parametrize(
    ("path", "port", "status"),
    [
        ("/admin/things", "4001", 200),
        ("/things", "4001", 200),
        ("/admin/things", "4000", 404),
        ("/things", "4000", 404),
        ("/v1/models", "4000", 200),
        ("/v1/models", "4001", 404),
        ("/healthz", "4000", 200),
        ("/healthz", "4001", 200),
    ],
)
def test_the_operators_views_may_have_a_listener_of_their_own(gateway_app, path, port, status):
    yaml = "general_settings: {master_key: sk-a-long-one, admin_address: '127.0.0.1:4001'}"
    client = gateway_app(OFFICE, yaml=yaml).test_client()
    answer = client.get(path, headers={"x-api-key": "sk-a-long-one"}, environ_overrides={"SERVER_PORT": port})
    assert answer.status_code == status


def test_a_surface_is_not_served_at_the_operators_listener(gateway_app):
    yaml = "general_settings: {master_key: sk-a-long-one, admin_address: '127.0.0.1:4001'}"
    client = gateway_app(OFFICE, yaml=yaml).test_client()
    told = {"headers": {"x-api-key": "sk-a-long-one"}, "json": {}}
    assert client.post("/v1/messages", **told, environ_overrides={"SERVER_PORT": "4001"}).status_code == 404
    assert client.post("/v1/messages", **told, environ_overrides={"SERVER_PORT": "4000"}).status_code == 400


@pytest.mark.parametrize(("key", "status"), [("sk-a-long-one", 405), ("sk-plain", 404), (None, 404)])
def test_a_wrong_verb_does_not_tell_others_that_a_path_is_there(gateway_app, key, status):
    client = gateway_app(OFFICE, yaml=KEYED).test_client()
    answer = client.put("/admin/things", headers={"x-api-key": key} if key else {})
    assert (answer.status_code, "allow" in answer.headers) == (status, status == 405)
