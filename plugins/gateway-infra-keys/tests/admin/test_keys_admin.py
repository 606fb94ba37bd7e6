import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from gateway_infra_keys.admin_form import BudgetForm, Form, KeyForm, LimitsForm, TeamForm
from gateway_infra_keys.token import Token
from gateway_infra_ledger.database import Away, Database
from marshmallow import fields

from gateway import Forbidden

WHOLE = {
    "alias": "alice@work",
    "tags": ["night", "batch"],
    "models": ["claude-*", "anthropic/claude-opus-4-6"],
    "capabilities": ["compaction", "effort"],
    "budget": {"amount": "12.500000000001", "window": "monthly", "time_zone": "Europe/Berlin"},
    "limits": {"requests": 60, "tokens": 100_000, "parallel": 4},
    "mode": "soft",
    "on_outage": "open",
    "expires_at": "2099-12-31T23:00:00+01:00",
}

HOSTILE_TEXTS = {
    "10,000 characters": "a" * 10_000,
    "NUL": "a\0b",
    "emoji": "\U0001f511",
    "SQL": "'; DROP TABLE keys; --",
    "HTML": "<script>alert(1)</script>",
    "formula =": "=1+1",
    "formula @": "@SUM(A1)",
    "formula +": "+1",
    "formula -": "-1",
    "tab": "\tx",
    "newline": "a\nb",
    "terminal": "a\x1b[31mb",
    "half a pair": "\\ud800",
    "right to left": "a\u202eb",
    "template": "{{7*7}}",
    "percent": "%s%n",
    "number": 7,
    "list": ["a"],
    "object": {"$gt": ""},
    "true": True,
}

AMOUNTS = (
    *("-1", "-0.01", "NaN", "Infinity", "-Infinity", "sNaN", "1e3", "1e999999999", "0x10", "1_000", " 1", "1 ", "1\n"),
    *("", "+1", "1.", ".5", "1,5", "0.0000000000001", "9223373", "99999999", "9" * 5000, "\u0661"),
    *(1, 1.5, 10**30, True, None, [], {}),
)
ZONES = (
    *("Mars/Olympus", "Europe", "../../etc/passwd", "/etc/localtime", "UTC\0", "", "Europe/Berlin\n", "a" * 5000),
    *("tzdata.zi", "GMT+25", "leapseconds", "zone.tab", None, 1, []),
)
MOMENTS = (
    *("2020-01-01T00:00:00Z", "2099-01-01T00:00:00", "2099-01-01", "tomorrow", "", "9999-12-31T23:59:59-23:59"),
    *("0001-01-01T00:00:00+23:59", "2099-02-30T00:00:00Z", "3000-01-01T00:00:00Z", "2099-01-01T00:00:00Z\0", "NaN"),
    *(4070908800, 1e300, True, "a" * 5000, [], {}),
)
COUNTS = (0, -1, 10**13, 10**30, 1.5, "5", True, [], {})
TEXTS = tuple(HOSTILE_TEXTS.values())

HOSTILE = {
    "alias": [(value, "alias") for value in TEXTS],
    "tags": [*(([value], "tags[0]") for value in TEXTS), (["a"] * 101, "tags"), ("night", "tags"), (None, "tags")],
    "models": [*(([value], "models[0]") for value in TEXTS), (["a"] * 101, "models"), ([], "models"), (None, "models")],
    "capabilities": [*(([value], "capabilities[0]") for value in TEXTS), ([], "capabilities")],
    "team_id": [*((value, "team_id") for value in TEXTS), ("nobody", "team_id")],
    "mode": [(value, "mode") for value in ("", "STRICT", None, 1, [])],
    "on_outage": [(value, "on_outage") for value in ("", "half", None, True)],
    "budget": [
        *(({"amount": value, "window": "total", "time_zone": "UTC"}, "budget.amount") for value in AMOUNTS),
        *(({"amount": "1", "window": "daily", "time_zone": value}, "budget.time_zone") for value in ZONES),
        *(
            ({"amount": "1", "window": value, "time_zone": "UTC"}, "budget.window")
            for value in ("yearly", "", None, 1, "a" * 5000)
        ),
        ({"window": "daily", "time_zone": "UTC"}, "budget.amount"),
        ({"amount": "1", "window": "daily", "time_zone": "UTC", "owner": "me"}, "budget.owner"),
        ([], "budget"),
        ("10", "budget"),
    ],
    "limits": [
        *(
            ({"requests": None, "tokens": None, "parallel": None, name: value}, f"limits.{name}")
            for name in ("requests", "tokens", "parallel")
            for value in COUNTS
        ),
        ({"requests": None, "tokens": None, "parallel": None, "seconds": 1}, "limits.seconds"),
        (None, "limits"),
        ("", "limits"),
    ],
    "expires_at": [(value, "expires_at") for value in MOMENTS],
}
"""What is written into a field, and the parameter that the refusal names."""


def error_of(answer, status, code=None):
    assert answer.status_code == status, answer.data
    told = answer.get_json()
    assert told["type"] == "error"
    assert answer.headers["gateway-error"] == (code or told["error"]["code"])
    return told["error"]["message"]


def test_a_key_is_told_in_the_words_of_its_form_and_its_token_is_shown_once(operator, made):
    told = made(**WHOLE)
    token = told.pop("token")
    assert Token.parse(token).id == told["id"]
    assert told["hint"] == token[-4:]
    assert {name: told[name] for name in WHOLE} == {**WHOLE, "expires_at": "2099-12-31T22:00:00Z"}
    assert operator("GET", f"/admin/keys/{told['id']}").get_json() == told
    assert operator("GET", "/admin/keys").get_json()["data"] == [told]


def test_a_key_that_nobody_says_anything_about_is_unlimited(made):
    told = made()
    assert (told["alias"], told["team_id"], told["models"], told["capabilities"]) == ("", None, ["*"], ["*"])
    assert (told["budget"], told["limits"]) == (None, {"requests": None, "tokens": None, "parallel": None})
    assert (told["mode"], told["on_outage"], told["expires_at"], told["state"]) == ("strict", "closed", None, "active")


def test_nothing_of_this_is_kept_by_a_cache(operator, made):
    key = made(alias="a")
    for path in ("/admin/keys", f"/admin/keys/{key['id']}", "/admin/teams", f"/admin/audit?id={key['id']}"):
        assert operator("GET", path).headers["cache-control"] == "no-store"
    assert operator("POST", "/admin/keys", {}).headers["cache-control"] == "no-store"


def test_a_made_key_gets_in_until_it_is_revoked(operator, asking, made):
    key = made(alias="a")
    client = asking(key["token"])
    assert client("GET", "/v1/models").status_code == 200
    ended = operator("DELETE", f"/admin/keys/{key['id']}").get_json()
    assert (ended["state"], ended["revoked_at"] is None) == ("revoked", False)
    assert client("GET", "/v1/models").status_code == 401


def test_to_revoke_twice_is_to_revoke_once(operator, made):
    key = made(alias="a")
    first = operator("DELETE", f"/admin/keys/{key['id']}")
    assert operator("DELETE", f"/admin/keys/{key['id']}").data == first.data
    assert len(operator("GET", f"/admin/audit?id={key['id']}").get_json()["data"]) == 2


def test_a_revoked_key_stays_revoked(operator, made):
    key = made(alias="a")
    operator("DELETE", f"/admin/keys/{key['id']}")
    assert operator("PATCH", f"/admin/keys/{key['id']}", {"alias": "b"}).status_code == 400
    assert operator("POST", f"/admin/keys/{key['id']}/rotate").status_code == 400
    assert operator("GET", f"/admin/keys/{key['id']}").get_json()["state"] == "revoked"


def test_a_rotated_key_has_a_new_token_and_the_old_one_is_none(operator, asking, made):
    key = made(alias="a", budget={"amount": "5"})
    answer = operator("POST", f"/admin/keys/{key['id']}/rotate")
    told = answer.get_json()
    assert answer.status_code == 200
    assert (told["id"], told["budget"]["amount"], told["hint"]) == (key["id"], "5.000000", told["token"][-4:])
    assert asking(key["token"])("GET", "/v1/models").status_code == 401
    assert asking(told["token"])("GET", "/v1/models").status_code == 200


def test_a_change_changes_what_it_names_and_nothing_else(operator, made):
    key = made(**WHOLE)
    path = f"/admin/keys/{key['id']}"
    told = operator("PATCH", path, {"alias": "bob", "budget": None, "tags": []}).get_json()
    expected = {name: value for name, value in key.items() if name != "token"}
    assert told == {**expected, "alias": "bob", "budget": None, "tags": []}
    assert operator("PATCH", path, {"alias": "bob", "budget": None, "tags": []}).get_json() == told


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"limits": {"requests": 5}}, "limits.tokens"),
        ({"limits": {"requests": 5, "tokens": None}}, "limits.parallel"),
        ({"budget": {"amount": "5"}}, "budget.window"),
        ({"budget": {"amount": "5", "window": "daily"}}, "budget.time_zone"),
    ],
)
def test_half_an_object_changes_nothing_because_the_other_half_would_be_lost(operator, made, change, missing):
    key = made(**WHOLE)
    answer = operator("PATCH", f"/admin/keys/{key['id']}", change)
    assert error_of(answer, 400).startswith(f"{missing}: Missing")
    assert operator("GET", f"/admin/keys/{key['id']}").get_json()["limits"] == WHOLE["limits"]


def test_a_change_of_nothing_is_a_mistake(operator, made):
    assert error_of(operator("PATCH", f"/admin/keys/{made()['id']}", {}), 400) == "The body names nothing to change."


def test_a_field_that_no_form_has_is_refused_by_name(operator, made):
    key = f"/admin/keys/{made()['id']}"
    fields = ("id", "hint", "state", "created_at", "revoked_at", "token", "hash", "operator", "permissions", "role")
    for field in (*fields, "Alias", "__class__", "team", "owner", "spent", "actor", "x" * 3000, "", "\0"):
        for verb, path in (("POST", "/admin/keys"), ("PATCH", key), ("POST", "/admin/teams")):
            named = {"name": "blue"} if path == "/admin/teams" else {"alias": "a"}
            assert error_of(operator(verb, path, {**named, field: "x"}), 400) == f"{field}: Unknown field."


@pytest.mark.parametrize("field", HOSTILE)
def test_a_hostile_value_is_refused_by_the_parameters_name_and_not_repeated(operator, made, store, field):
    path = f"/admin/keys/{made(**WHOLE)['id']}"
    before = store.page()
    for value, param in HOSTILE[field]:
        for verb, where in (("POST", "/admin/keys"), ("PATCH", path)):
            said = error_of(operator(verb, where, {field: value}), 400, "invalid_request")
            assert said.startswith(f"{param}: "), (value, said)
            assert "a" * 100 not in said
            assert "9" * 100 not in said
    assert store.page() == before


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"7", b'"alias"', b"{", b'{"alias": NaN}', b'{"alias": "a", "alias": "b"}',
             b'{"alias": "\xff"}', b'{"alias": "\\ud800"}', b"[" * 5000, b'{"budget": {"amount": ' + b"[" * 300]
)  # fmt: skip
def test_a_body_that_is_no_json_object_is_refused(operator, body):
    answer = operator("POST", "/admin/keys", data=body, headers={"content-type": "application/json"})
    error_of(answer, 400, "invalid_request")


def test_a_body_is_small_and_json(operator):
    large = json.dumps({"tags": ["a" * 300_000]}).encode()
    kind = {"content-type": "application/json"}
    error_of(operator("POST", "/admin/keys", data=large, headers=kind), 413, "too_large")
    form = {"content-type": "application/x-www-form-urlencoded"}
    error_of(operator("POST", "/admin/keys", data=b"alias=a", headers=form), 415, "unsupported_media")


@pytest.mark.parametrize("kind", ["keys", "teams"])
def test_what_is_not_there_is_not_found(operator, kind):
    names = ("nothing", "000000000000", "a" * 5000, "%00", "a%00b", "'%20OR%201=1", "%ED%A0%80", "%25", "_", "..%2f")
    for name in names:
        for verb, body in (("GET", None), ("PATCH", {"budget": None}), ("DELETE", None)):
            error_of(operator(verb, f"/admin/{kind}/{name}", body), 404)


def test_a_path_has_ids_because_an_alias_may_change_hands(operator, made):
    made(alias="alice")
    assert operator("GET", "/admin/keys/alice").status_code == 404


def test_an_alias_is_one_keys_at_a_time(operator, made):
    first = made(alias="alice")
    assert error_of(operator("POST", "/admin/keys", {"alias": "alice"}), 400).startswith("alias:")
    operator("DELETE", f"/admin/keys/{first['id']}")
    assert made(alias="alice")["id"] != first["id"]


def test_a_list_goes_on_where_its_last_page_ended(operator, made):
    keys = [made(alias=f"a{number}")["id"] for number in range(5)]
    seen, after = [], ""
    for more in (True, True, False):
        page = operator("GET", f"/admin/keys?limit=2{after}").get_json()
        assert page["has_more"] is more
        seen += [key["id"] for key in page["data"]]
        after = f"&after={page['last_id']}"
    assert seen == keys


def test_a_list_that_is_empty_says_so(operator):
    assert operator("GET", "/admin/keys").get_json() == {"data": [], "has_more": False, "last_id": None}


def test_a_list_can_be_of_one_team_or_one_alias_and_have_the_revoked_ones_too(operator, made):
    team = operator("POST", "/admin/teams", {"name": "blue"}).get_json()
    mine, other = made(alias="mine", team_id=team["id"]), made(alias="other")
    ids = lambda path: [one["id"] for one in operator("GET", path).get_json()["data"]]  # noqa: E731 - three uses
    assert ids(f"/admin/keys?team={team['id']}") == ids("/admin/keys?team=blue") == [mine["id"]]
    assert ids("/admin/keys?alias=other") == [other["id"]]
    operator("DELETE", f"/admin/keys/{other['id']}")
    assert ids("/admin/keys") == [mine["id"]]
    assert ids("/admin/keys?revoked=true") == [mine["id"], other["id"]]
    assert ids("/admin/keys?alias=other") == []


def test_no_character_of_a_filter_stands_for_others(operator, made):
    made(alias="ab")
    for pattern in ("%25", "_", "a%25", "a_", "%5C%25", "*", "a*", "?", "[a]", "'%20OR%20'1'='1"):
        assert operator("GET", f"/admin/keys?alias={pattern}").get_json()["data"] == []


QUERIES = [
        ("/admin/keys?limit=0", "limit"), ("/admin/keys?limit=1001", "limit"), ("/admin/keys?limit=-1", "limit"),
        ("/admin/keys?limit=ten", "limit"), ("/admin/keys?limit=", "limit"), ("/admin/keys?limit=1.5", "limit"),
        ("/admin/keys?limit=" + "9" * 5000, "limit"), ("/admin/keys?alias=%00", "alias"),
        ("/admin/keys?alias=" + "a" * 10_000, "alias"), ("/admin/keys?alias=a&alias=b", "alias"),
        ("/admin/keys?order=id;DROP", "order"), ("/admin/keys?revoked=yes", "revoked"), ("/admin/keys?tea=blue", "tea"),
        ("/admin/teams?alias=a", "alias"), ("/admin/teams?limit=x", "limit"), ("/admin/audit", "id"),
        ("/admin/audit?id=%27", "id"), ("/admin/audit?id=a&limit=0", "limit"), ("/admin/spend?by=owner", "by"),
        ("/admin/spend?since=yesterday", "since"), ("/admin/spend?until=2026-02-30", "until"),
        ("/admin/spend?since=2026-01-01T00:00:00", "since"), ("/admin/spend?key=%00", "key"),
        ("/admin/spend?model=" + "m" * 10_000, "model"), ("/admin/spend?format=csv", "format"),
        ("/admin/spend?by=key&by=day", "by"), ("/admin/spend?team=%0A", "team"),
]  # fmt: skip


def test_a_query_is_read_strictly(operator):
    for path, param in QUERIES:
        assert error_of(operator("GET", path), 400, "invalid_request").startswith(f"{param}:"), path


def test_a_page_after_nothing_is_not_found(operator):
    error_of(operator("GET", "/admin/keys?after=nothing"), 404)


def test_a_team_is_made_changed_and_ended(operator, asking, made):
    answer = operator("POST", "/admin/teams", {"name": "blue", "budget": {"amount": "100", "window": "weekly"}})
    team = answer.get_json()
    assert answer.status_code == 201
    assert team["budget"] == {"amount": "100.000000", "window": "weekly", "time_zone": "UTC"}
    key = made(team_id=team["id"])
    path = f"/admin/teams/{team['id']}"
    limits = {"requests": 5, "tokens": None, "parallel": None}
    assert operator("PATCH", path, {"limits": limits}).get_json() == {**team, "limits": limits}
    assert operator("GET", "/admin/teams").get_json()["data"] == [{**team, "limits": limits}]
    assert operator("PATCH", path, {"name": "red"}).status_code == 400
    ended = operator("DELETE", path)
    assert ended.get_json()["state"] == "revoked"
    assert operator("DELETE", path).data == ended.data
    assert operator("GET", path).data == ended.data
    assert asking(key["token"])("GET", "/v1/models").status_code == 401


def test_a_team_has_no_hostile_name(operator, store):
    for value in (*TEXTS, "", None):
        assert error_of(operator("POST", "/admin/teams", {"name": value}), 400).startswith("name:")
    assert store.teams.page() == []


def test_the_audit_says_who_did_what_and_has_no_secret(operator, made):
    key = made(alias="a", budget={"amount": "5"})
    path = f"/admin/keys/{key['id']}"
    operator("PATCH", path, {"alias": "b"})
    rotated = operator("POST", f"{path}/rotate").get_json()
    operator("DELETE", path)
    answer = operator("GET", f"/admin/audit?id={key['id']}")
    rows = answer.get_json()["data"]
    assert [(row["actor"], row["action"], row["object"], row["object_id"]) for row in rows] == [
        ("master", action, "key", key["id"]) for action in ("revoke", "rotate", "update", "create")
    ]
    assert (rows[2]["before"], rows[2]["after"]) == ({"alias": "a"}, {"alias": "b"})
    assert not [
        token for token in (key["token"], rotated["token"]) if token in answer.text or token[19:62] in answer.text
    ]
    assert len(operator("GET", f"/admin/audit?id={key['id']}&limit=2").get_json()["data"]) == 2


def test_spend_is_asked_over_http(operator, made, spent):
    alice, bob = made(alias="alice"), made(alias="bob")
    spent(alice, "1.5")
    spent(alice, "0.25", model="claude-b")
    spent(bob, "0.0000000006")
    told = operator("GET", "/admin/spend?by=key").get_json()
    assert [(row["key"], row["alias"], row["cost_usd"]) for row in told["spend"]] == [
        (alice["id"], "alice", "1.750000"),
        (bob["id"], "bob", "0.0000000006"),
    ]
    assert told["total"]["cost_usd"] == "1.7500000006"
    assert operator("GET", "/admin/spend?key=alice&model=claude-b").get_json()["total"]["cost_usd"] == "0.250000"
    assert operator("GET", "/admin/spend?since=2999-01-01").get_json()["total"]["entries"] == 0


def test_no_answer_but_the_first_has_a_token(operator, made):
    """Whatever is asked afterwards, neither the token nor its secret part, nor its hash, is in an answer."""
    key = made(**WHOLE)
    team = operator("POST", "/admin/teams", {"name": "blue"}).get_json()
    paths = ["/admin/keys", f"/admin/keys/{key['id']}", "/admin/teams", f"/admin/teams/{team['id']}"]
    paths += [f"/admin/audit?id={key['id']}", f"/key/info?key={key['token']}", f"/key/info?key={key['id']}"]
    paths += ["/admin/keys?revoked=true", f"/admin/keys?alias={WHOLE['alias']}", f"/team/info?team_id={team['id']}"]
    texts = [operator("GET", path).text for path in paths]
    texts += [operator("PATCH", f"/admin/keys/{key['id']}", {"tags": []}).text]
    texts += [operator("POST", "/key/update", {"key": key["token"], "rpm_limit": 5}).text]
    texts += [operator("POST", "/key/delete", {"keys": [key["token"]]}).text]
    secret = key["token"][19:62]
    assert not [text for text in texts if secret in text or "hash" in text]


def test_a_wrong_request_leaves_no_secret_in_the_log(operator, made, caplog):
    caplog.set_level(logging.DEBUG)
    key = made(alias="a")
    secret = key["token"][19:62]
    operator("POST", "/admin/keys", {"alias": key["token"] + "\0"})
    operator("GET", f"/key/info?key={key['token']}x")
    operator("GET", f"/admin/keys/{key['token']}")
    operator("POST", "/key/update", {"key": key["token"], "tags": 7})
    assert secret not in caplog.text


def test_while_the_database_is_away_the_answer_says_so_and_nothing_more(operator, monkeypatch):
    def refuse(self):
        raise Away("password authentication failed for user 'me'")

    monkeypatch.setattr(Database, "reading", refuse)
    monkeypatch.setattr(Database, "writing", refuse)
    for verb, path, body in (("GET", "/admin/keys", None), ("POST", "/admin/keys", {}), ("POST", "/key/generate", {})):
        answer = operator(verb, path, body)
        assert "password" not in error_of(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"


def test_every_field_of_every_form_says_who_may_write_it():
    for form in (KeyForm(), TeamForm(), BudgetForm(), LimitsForm()):
        assert {field.metadata["role"] for field in form.fields.values()} == {"operator"}


def test_a_form_with_a_field_that_says_nothing_cannot_be_made():
    class Careless(Form):
        level = fields.Integer()

    with pytest.raises(TypeError, match="Careless.level does not say who may write it"):
        Careless()


def test_a_field_is_not_written_by_whoever_lacks_its_role():
    with pytest.raises(Forbidden, match="budget: this key may not write it"):
        KeyForm().read({"budget": None}, frozenset())


def test_an_expiry_may_be_near_and_an_expired_key_is_told_as_expired(operator, asking, made, store, monkeypatch):
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    key = made(expires_at=soon)
    import gateway_infra_keys.admin_answer as answers

    class Later(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime.now(zone) + timedelta(hours=2)

    monkeypatch.setattr(answers, "datetime", Later)
    assert operator("GET", f"/admin/keys/{key['id']}").get_json()["state"] == "expired"
