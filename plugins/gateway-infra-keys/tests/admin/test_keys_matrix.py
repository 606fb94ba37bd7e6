import json
import tomllib
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from gateway_infra_keys.schema import audit, keys
from gateway_infra_keys.token import Token
from gateway_infra_ledger import lookup
from sqlalchemy import func, select, update

ROUTES = tomllib.loads((Path(__file__).parents[1] / "matrix.toml").read_text())["route"]
BY_ITSELF = {"HEAD", "OPTIONS"}
"""Verbs that the framework answers; what a role may not GET it may not ask about either."""


@pytest.fixture
def url(sqlite_url):
    """Who may do what does not depend on the database's make."""
    return sqlite_url


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Nobody waits a second for a call that never was."""
    monkeypatch.setattr(lookup.Lookup.call, "__defaults__", (0.01,))


@pytest.fixture
def cast(store, asking, operator, spent):
    """Every role's clients, and what belongs to whom."""
    blue, red, gone = (store.teams.create(actor="test", name=name) for name in ("blue", "red", "gone"))
    mine, token = store.create(actor="test", alias="mine", team_id=blue.id, models=["claude-a", "test-*"])
    theirs, their_token = store.create(actor="test", team_id=red.id)
    outsiders = [
        None,
        "",
        "nonsense",
        "sk-1234",
        "\xe4",
        Token.new().text,
        token.text[:-1],
        token.text + "x",
        store.hash(token),
    ]
    for end in ("revoked", "expired", "rotated", "gone"):
        key, old = store.create(actor="test", alias=end, team_id=gone.id if end == "gone" else "")
        outsiders.append(old.text)
        if end == "revoked":
            store.revoke(key.id, actor="test")
        elif end == "rotated":
            store.rotate(key.id, actor="test")
        elif end == "expired":
            with store._database.writing() as connection:
                past = datetime.now(UTC) - timedelta(seconds=1)
                connection.execute(update(keys).where(keys.c.id == key.id).values(expires_at=past))
    store.teams.revoke(gone.id, actor="test")
    call = spent({"id": mine.id, "alias": "mine"}, "1", team="blue")
    return {
        "outsider": [asking(one) for one in outsiders],
        "key": [asking(token.text)],
        "foreign": [asking(their_token.text)],
        "operator": [operator],
        "of": {
            "": {},
            "key": {"<key_id>": mine.id, "<team_id>": blue.id, "<call_id>": call.call_id},
            "foreign": {"<key_id>": theirs.id, "<team_id>": red.id, "<call_id>": "req_none"},
            "nobody": {"<key_id>": "0" * 12, "<team_id>": "0" * 12, "<call_id>": "req_none"},
        },
        "tokens": {"key": token.text, "foreign": their_token.text},
        "key_object": mine,
    }


@pytest.fixture
def state(store):
    """Everything that a request might change."""

    def look():
        with store._database.reading() as connection:
            changes = connection.execute(select(func.count()).select_from(audit)).scalar()
            hashes = connection.execute(select(keys.c.id, keys.c.hash).order_by(keys.c.id)).all()
        return store.page(revoked=True), store.teams.page(revoked=True), changes, hashes

    return look


def filled(value, names):
    """A value of the table with the objects' own names in it."""
    text = json.dumps(value)
    for name, known in names.items():
        text = text.replace(name, known)
    return json.loads(text)


def request_of(route, names):
    path = filled(route["path"], names).replace("<path:name>", "test-one")
    query = filled(route.get("query", ""), names)
    return f"{path}?{query}" if query else path, filled(route["body"], names) if "body" in route else None


def named(route):
    return f"{route['verb']} {route['path']} {route.get('query', '')} {route.get('of', '')}".strip()


def test_every_route_of_the_app_is_in_the_table(app):
    there = {(verb, rule.rule) for rule in app.url_map.iter_rules() for verb in rule.methods - BY_ITSELF}
    told = {(route["verb"], route["path"]) for route in ROUTES}
    assert there - told == set(), "routes that the table does not have"
    assert told - there == set(), "routes that the app does not have"


def test_every_row_has_every_role():
    assert {frozenset(route["status"]) for route in ROUTES} == {frozenset({"outsider", "key", "foreign", "operator"})}


def test_each_role_gets_the_status_of_the_table_and_changes_nothing(cast, state):
    before = state()
    for route, role in product(ROUTES, ("outsider", "key", "foreign")):
        path, body = request_of(route, cast["of"][route.get("of", "")])
        for client in cast[role]:
            answer = client(route["verb"], path, body)
            assert answer.status_code == route["status"][role], (named(route), role, client.headers, answer.data)
        assert state() == before, (named(route), role)


def test_the_operator_gets_the_status_of_the_table_where_it_reads(cast, operator):
    for route in ROUTES:
        if route["verb"] == "GET":
            path, _ = request_of(route, cast["of"][route.get("of", "")])
            answer = operator("GET", path)
            assert answer.status_code == route["status"]["operator"], (named(route), answer.data)


@pytest.mark.parametrize("route", [route for route in ROUTES if route["verb"] != "GET"], ids=named)
def test_the_operator_gets_the_status_of_the_table_where_it_writes(cast, operator, route):
    path, body = request_of(route, cast["of"][route.get("of", "")])
    answer = operator(route["verb"], path, body)
    assert answer.status_code == route["status"]["operator"], answer.data


def test_what_a_role_may_not_use_it_may_not_look_at_with_other_verbs(cast):
    """Where a key may use a path at all, it may ask how."""
    open_to_keys = {route["path"] for route in ROUTES if route["status"]["key"] not in (403, 404)}
    closed = [route for route in ROUTES if route["path"] not in open_to_keys]
    for route, role in product(closed, ("outsider", "key", "foreign")):
        path, _ = request_of(route, cast["of"][route.get("of", "")])
        for client in cast[role][:2]:
            assert client("OPTIONS", path).status_code in (401, 403, 404), named(route)
            assert route["verb"] != "GET" or client("HEAD", path).status_code in (401, 403, 404), named(route)


def test_to_a_key_the_operators_paths_look_like_any_path_that_is_not_there(cast):
    for client in (*cast["outsider"], *cast["key"]):
        there, nothing = client("GET", "/admin/keys"), client("GET", "/admin/kees")
        assert there.status_code == nothing.status_code == 404
        assert there.text.replace("/admin/keys", "") == nothing.text.replace("/admin/kees", "")
        names = [set(answer.headers.keys()) for answer in (there, nothing)]
        assert names[0] == names[1]


def test_a_verb_that_a_path_does_not_take_does_not_tell_that_the_path_is_there(cast):
    for client, verb in product((cast["outsider"][0], cast["key"][0]), ("PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")):
        assert client(verb, "/admin/keys").status_code == 404


def test_revoked_expired_and_unknown_keys_are_told_the_same(cast):
    told = {client("GET", "/v1/models").data for client in cast["outsider"]}
    assert len(told) == 1


WIDER = [
    {"models": ["*"]}, {"models": []}, {"capabilities": ["*"]}, {"budget": None}, {"max_budget": None},
    {"budget": {"amount": "9000000", "window": "daily", "time_zone": "UTC"}}, {"max_budget": 9_000_000},
    {"limits": {"requests": None, "tokens": None, "parallel": None}}, {"rpm_limit": None}, {"tpm_limit": 10**9},
    {"mode": "soft"}, {"on_outage": "open"}, {"expires_at": None}, {"duration": "-1"}, {"team_id": ""},
    {"team_id": "<team_id>"}, {"operator": True}, {"permissions": {"operator": True}}, {"role": "operator"},
    {"user_role": "proxy_admin"}, {"key_type": "management"}, {"allowed_routes": ["/admin/*"]}, {"revoked_at": None},
    {"alias": "master"}, {"key_alias": "master"}, {"id": "master"}, {"key": "sk-mine"}, {"spend": 0}, {"spend": -5},
    {"metadata": {"permissions": {"operator": True}}}, {"tags": ["operator"]}, {"blocked": False},
]  # fmt: skip
"""What a key might like to be."""

TARGETS = [
    ("POST", "/admin/keys"), ("PATCH", "/admin/keys/<key_id>"), ("POST", "/admin/keys/<key_id>"),
    ("PUT", "/admin/keys/<key_id>"), ("POST", "/admin/keys/<key_id>/rotate"), ("PATCH", "/admin/teams/<team_id>"),
    ("POST", "/key/generate"), ("POST", "/key/update"), ("POST", "/key/info"), ("POST", "/team/new"),
]  # fmt: skip


def test_a_key_makes_and_widens_no_key(cast, state):
    """320 tries: every wish at every place that writes, its own key named in every way."""
    before, tries = state(), 0
    client, names = cast["key"][0], cast["of"]["key"]
    for (verb, path), wish in product(TARGETS, WIDER):
        body = {"key": cast["tokens"]["key"], **filled(wish, names)}
        answer = client(verb, filled(path, names), body)
        assert answer.status_code in (403, 404, 405), (verb, path, wish)
        tries += 1
    assert tries >= 200
    assert state() == before


def test_no_header_and_no_field_of_a_call_makes_a_key_more_than_it_is(cast, state, app):
    before, names = state(), cast["of"]["key"]
    client, token = cast["key"][0], cast["tokens"]["key"]
    master = app.extensions["gateway"].config.master_key.reveal()
    for header in (
        {"x-http-method-override": "PATCH"}, {"x-method-override": "DELETE"}, {"x-original-url": "/admin/keys"},
        {"x-rewrite-url": "/admin/keys"}, {"x-forwarded-prefix": "/admin"}, {"x-forwarded-for": "127.0.0.1"},
        {"x-real-ip": "127.0.0.1"}, {"host": "localhost"}, {"x-user-role": "operator"}, {"x-gateway-operator": "true"},
        {"litellm-changed-by": "master"}, {"cookie": f"token={master}"}, {"referer": "/admin/"},
        {"authorization": f"Bearer {master[:-1]}"}, {"authorization": f"Basic {master}"}, {"api-key": master + ","},
        {"authorization": f"Bearer {token},Bearer {master}"}, {"x-api-key": f"{token}, {master}"},
        {"x-litellm-api-key": master}, {"proxy-authorization": f"Bearer {master}"},
    ):  # fmt: skip
        for verb, path, body in (
            ("POST", "/key/generate", {}),
            ("POST", "/admin/keys", {}),
            ("PATCH", f"/admin/keys/{names['<key_id>']}", {"models": ["*"]}),
            ("POST", f"/admin/keys/{names['<key_id>']}?_method=PATCH", {"models": ["*"]}),
        ):
            assert client(verb, path, body, headers=header).status_code in (401, 403, 404, 405), header
    for field in ({"user": "master"}, {"metadata": {"user_api_key": master}}, {"api_key": master}, {"key": master}):
        client("POST", "/v1/messages", {"model": "forbidden", "max_tokens": 1, "messages": [], **field})
    assert state() == before


SPELLINGS = (
    *("/Admin/keys", "/ADMIN/keys", "//admin/keys", "/admin//keys", "/./admin/keys", "/v1/../admin/keys"),
    *("/admin/keys/", "/admin%2fkeys", "/%61dmin/keys", "/admin/keys;x", "/admin/keys%00", "/admin/keys%20", "/admin"),
    *("/key/generate/", "//key/generate", "/Key/generate", "/v1/../key/generate"),
)


def test_no_spelling_of_a_path_leads_past_the_guard(cast, state):
    before = state()
    for client, path, verb in product((cast["outsider"][0], cast["key"][0]), SPELLINGS, ("GET", "POST")):
        answer = client(verb, path, {} if verb == "POST" else None)
        assert answer.status_code in (308, 401, 403, 404, 405), (verb, path, answer.data)
        assert "hint" not in answer.text
    assert state() == before
