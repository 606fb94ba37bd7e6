import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gateway_infra_keys.litellm import IGNORED, REFUSED, KeyWords, TeamWords

README = Path(__file__).parents[2] / "README.md"


def error_of(answer, status):
    assert answer.status_code == status, answer.data
    return answer.get_json()["error"]["message"]


@pytest.fixture
def generate(operator):
    """``POST /key/generate``; its answer."""

    def make(**fields):
        answer = operator("POST", "/key/generate", fields)
        assert answer.status_code == 200, answer.data
        return answer.get_json()

    return make


def test_a_key_is_made_in_litellms_words(operator, asking, generate):
    team = operator("POST", "/team/new", {"team_alias": "blue", "max_budget": 100}).get_json()
    before = datetime.now(UTC)
    told = generate(
        key_alias="alice@work",
        team_id=team["team_id"],
        models=["claude-*"],
        max_budget=10.5,
        budget_duration="30d",
        tpm_limit=1000,
        rpm_limit=60,
        max_parallel_requests=4,
        duration="30d",
        metadata={"tags": ["night"]},
    )
    token = told["key"]
    assert asking(token)("GET", "/v1/models").status_code == 200
    assert re.fullmatch(r"[0-9a-z]{12}", told["token_id"])
    assert told["token_id"] == told["token"]
    assert told["key_name"] == token[-4:]
    assert (told["key_alias"], told["team_id"], told["models"]) == ("alice@work", team["team_id"], ["claude-*"])
    assert (told["max_budget"], told["budget_duration"], told["spend"]) == (10.5, "30d", 0)
    assert (told["tpm_limit"], told["rpm_limit"], told["max_parallel_requests"]) == (1000, 60, 4)
    assert told["metadata"] == {"tags": ["night"]}
    length = datetime.fromisoformat(told["expires"]) - before
    assert timedelta(days=30) <= length < timedelta(days=30, minutes=1)
    ours = operator("GET", f"/admin/keys/{told['token_id']}").get_json()
    assert ours["budget"] == {"amount": "10.500000", "window": "monthly", "time_zone": "UTC"}
    assert ours["limits"] == {"requests": 60, "tokens": 1000, "parallel": 4}
    assert (ours["tags"], ours["alias"], ours["team_id"]) == (["night"], "alice@work", team["team_id"])


def test_a_key_without_a_word_is_unlimited(operator, generate):
    told = generate()
    assert (told["models"], told["max_budget"], told["expires"], told["key_alias"]) == ([], None, None, None)
    assert operator("GET", f"/admin/keys/{told['token_id']}").get_json()["models"] == ["*"]


def test_a_request_with_every_default_of_litellms_client_is_no_wish(operator):
    empty = {
        "aliases": {},
        "config": {},
        "permissions": {},
        "spend": 0.0,
        "blocked": False,
        "guardrails": [],
        "key": "",
    }
    names = (
        "models",
        "tags",
        "metadata",
        "duration",
        "max_budget",
        "budget_duration",
        "tpm_limit",
        "team_id",
        "user_id",
    )
    answer = operator("POST", "/key/generate", {**empty, **dict.fromkeys(names), "key_alias": None})
    assert answer.get_json()["models"] == []
    assert "gateway-ignored-params" not in answer.headers


@pytest.mark.parametrize(
    ("said", "window", "told"),
    [("1d", "daily", "1d"), ("24h", "daily", "1d"), ("7d", "weekly", "7d"), ("1w", "weekly", "7d"),
     ("30d", "monthly", "30d"), ("1mo", "monthly", "30d"), (None, "total", None)],
)  # fmt: skip
def test_a_budgets_length_becomes_its_window(operator, generate, said, window, told):
    key = generate(max_budget=1, budget_duration=said)
    assert key["budget_duration"] == told
    assert operator("GET", f"/admin/keys/{key['token_id']}").get_json()["budget"]["window"] == window


def test_an_amount_keeps_its_digits(operator):
    kind = {"content-type": "application/json"}
    for sent, kept in (
        (b"0.1", "0.100000"),
        (b"0.123456789012", "0.123456789012"),
        (b"1e-3", "0.001000"),
        (b"5", "5.000000"),
    ):
        told = operator("POST", "/key/generate", data=b'{"max_budget": ' + sent + b"}", headers=kind)
        key = operator("GET", f"/admin/keys/{told.get_json()['token_id']}").get_json()
        assert key["budget"]["amount"] == kept


MISTAKES = [
    *(
        ("max_budget", value)
        for value in ("10", -1, -0.01, 1e300, 10**30, 0.0000000000001, True, [], {}, "NaN", 9_300_000)
    ),
    *(("budget_duration", value) for value in ("1h", "30m", "2d", "60d", "", "1y", "30D", 30, [], "a" * 5000)),
    *(("duration", value) for value in ("", "1", "d", "-2", "0d", "1y", "1.5d", 30, "9" * 12 + "d", "999999999d", "30d ")),
    *((name, value) for name in ("tpm_limit", "rpm_limit", "max_parallel_requests") for value in (0, -1, "5", 1.5, 10**13)),
    *(("models", value) for value in ("claude", ["a b"], [7], ["\0"], ["=1"], ["no-default-models"], ["a"] * 101)),
    *(("tags", value) for value in ("night", ["=1+1"], ["\0"], [""], ["a" * 10_000])),
    *(("metadata", value) for value in ("{}", [], 7, {"tags": "night"}, {"tags": ["\0"]})),
    *(("key_alias", value) for value in ("", "a\0", "=1", "'; DROP TABLE keys", "a" * 10_000, "<b>", 7, "\U0001f511")),
    *(("team_id", value) for value in ("nobody", "", "../x", "\0", 7)),
    *((name, "x") for name in sorted(set(REFUSED) - {"team_id"})),
    *((name, "x") for name in ("Models", "token", "hashed_token", "capabilities", "created_by", "", "x" * 5000)),
    ("blocked", True), ("spend", 5), ("aliases", {"a": "b"}), ("permissions", {"get_spend_routes": True}),
    ("allowed_routes", ["management_routes"]), ("key_type", "management"), ("model_max_budget", {"m": 1}),
]  # fmt: skip


def test_what_litellm_knows_and_we_do_not_or_what_is_wrong_is_refused_by_name(operator, generate, store):
    key = generate()
    before = store.page()
    for name, value in MISTAKES:
        said = {name: value, **({"max_budget": 1} if name == "budget_duration" else {})}
        assert error_of(operator("POST", "/key/generate", said), 400).startswith((f"{name}: ", f"{name}.", f"{name}["))
        if name != "key":
            message = error_of(operator("POST", "/key/update", {"key": key["token_id"], **said}), 400)
            assert message.startswith((f"{name}: ", f"{name}.", f"{name}["))
    assert store.page() == before


def test_a_length_without_a_budget_is_a_mistake(operator):
    assert error_of(operator("POST", "/key/generate", {"budget_duration": "30d"}), 400) == (
        "budget_duration: needs max_budget."
    )


def test_what_is_ignored_is_named(operator):
    said = {"user_id": "u", "soft_budget": 5, "metadata": {"tags": ["a"], "app": "x", "a\r\nset-cookie: x": 1}}
    answer = operator("POST", "/key/generate", said)
    assert answer.status_code == 200
    named = answer.headers["gateway-ignored-params"]
    assert named == "user_id, soft_budget, metadata.app, metadata.a??set-cookie: x"
    assert "gateway-ignored-params" not in operator("POST", "/key/generate", {}).headers
    assert (
        len(operator("POST", "/key/generate", {"metadata": {"x" * 5000: 1}}).headers["gateway-ignored-params"]) == 500
    )


def test_a_key_is_shown_by_its_text_or_its_id(operator, generate, spent):
    made = generate(key_alias="a", max_budget=3)
    spent({"id": made["token_id"], "alias": "a"}, "1.25")
    for named in (made["key"], made["token_id"]):
        told = operator("GET", f"/key/info?key={named}").get_json()
        assert told["key"] == made["token_id"]
        assert (told["info"]["key_alias"], told["info"]["max_budget"], told["info"]["spend"]) == ("a", 3, 1.25)


@pytest.mark.parametrize("named", ["a", "nothing", "sk-1234", "000000000000", "'", "%25", "sk-gw-" + "0" * 63])
def test_a_key_that_is_not_there_is_not_found_and_not_repeated(operator, generate, named):
    generate(key_alias="a")
    assert error_of(operator("GET", f"/key/info?key={named}"), 404) == "There is no such key."
    assert error_of(operator("POST", "/key/update", {"key": named, "rpm_limit": 1}), 404) == "There is no such key."
    assert error_of(operator("POST", "/key/delete", {"keys": [named]}), 404) == "There is no such key."


def test_the_operator_says_which_key(operator):
    assert error_of(operator("GET", "/key/info"), 400).startswith("key: ")


def test_a_key_sees_itself_and_no_other(asking, generate):
    mine, other = generate(key_alias="mine"), generate(key_alias="other")
    me = asking(mine["key"])
    for path in ("/key/info", f"/key/info?key={mine['key']}", f"/key/info?key={mine['token_id']}"):
        assert me("GET", path).get_json()["info"]["key_alias"] == "mine"
    theirs = me("GET", f"/key/info?key={other['token_id']}")
    nobodys = me("GET", "/key/info?key=000000000000")
    assert (theirs.status_code, theirs.data) == (404, nobodys.data)
    assert me("GET", f"/key/info?key={other['key']}").data == nobodys.data


def test_a_change_leaves_what_it_does_not_name(operator, generate):
    made = generate(key_alias="a", max_budget=3, budget_duration="7d", rpm_limit=5, tpm_limit=7, duration="1d")
    change = lambda **fields: operator("POST", "/key/update", {"key": made["key"], **fields}).get_json()  # noqa: E731 - short
    told = change(rpm_limit=6)
    assert (told["rpm_limit"], told["tpm_limit"], told["max_budget"], told["budget_duration"]) == (6, 7, 3, "7d")
    told = change(max_budget=4)
    assert (told["max_budget"], told["budget_duration"], told["expires"]) == (4, "7d", made["expires"])
    told = change(budget_duration="1d")
    assert (told["max_budget"], told["budget_duration"]) == (4, "1d")
    told = change(max_budget=None, tpm_limit=None, duration="-1", key_alias="b", models=["x"], tags=["t"])
    assert (told["max_budget"], told["tpm_limit"], told["expires"]) == (None, None, None)
    assert (told["key_alias"], told["models"], told["tags"]) == ("b", ["x"], ["t"])
    assert change(models=[])["models"] == []
    assert change(duration=None, models=None, tags=None)["tags"] == ["t"]
    assert error_of(operator("POST", "/key/update", {"rpm_limit": 1}), 404)


def test_keys_are_deleted_all_or_none(operator, asking, generate):
    first, second = generate(key_alias="first"), generate(key_alias="second")
    assert operator("POST", "/key/delete", {"keys": [first["key"], "nothing"]}).status_code == 404
    assert asking(first["key"])("GET", "/v1/models").status_code == 200
    told = operator("POST", "/key/delete", {"keys": [first["key"]], "key_aliases": ["second"]})
    assert told.get_json() == {"deleted_keys": [first["token_id"], second["token_id"]]}
    assert asking(first["key"])("GET", "/v1/models").status_code == 401
    assert asking(second["key"])("GET", "/v1/models").status_code == 401
    assert operator("POST", "/key/delete", {"keys": [first["key"]]}).status_code == 200
    for body in ({}, {"keys": "x"}, {"keys": [7]}, {"keys": ["a"] * 101}, {"key": "x"}, {"key_aliases": [None]}):
        assert operator("POST", "/key/delete", body).status_code == 400
    for alias in ("", "%", "_", "first", "\0", "a" * 10_000):
        assert operator("POST", "/key/delete", {"key_aliases": [alias]}).status_code == 404


def test_a_team_is_made_and_shown_with_its_keys(operator, generate, spent):
    team = operator(
        "POST", "/team/new", {"team_alias": "blue", "max_budget": 5, "budget_duration": "1d", "rpm_limit": 9}
    )
    made = team.get_json()
    assert (made["team_alias"], made["max_budget"], made["budget_duration"], made["rpm_limit"]) == ("blue", 5, "1d", 9)
    key = generate(team_id=made["team_id"], key_alias="a")
    spent({"id": key["token_id"], "alias": "a"}, "2.5", team="blue")
    told = operator("GET", f"/team/info?team_id={made['team_id']}").get_json()
    assert (told["team_id"], told["team_info"]["spend"]) == (made["team_id"], 2.5)
    assert [(one["token_id"], one["spend"]) for one in told["keys"]] == [(key["token_id"], 2.5)]
    assert operator("GET", "/team/info?team_id=nothing").status_code == 404
    assert operator("GET", "/team/info").status_code == 400


def test_a_team_has_what_it_can_have(operator, store):
    for said in (
        {}, {"team_alias": ""}, {"team_alias": "=1"}, {"team_alias": "a", "team_id": "mine"}, {"team_alias": "\0"},
        {"team_alias": "a", "members_with_roles": [{"role": "admin"}]}, {"team_alias": "a", "models": ["m"]},
        {"team_alias": "a", "max_budget": -1}, {"team_alias": "a", "blocked": True}, {"team_alias": "a", "x": 1},
    ):  # fmt: skip
        assert operator("POST", "/team/new", said).status_code == 400, said
    assert store.teams.page() == []


def test_the_log_of_what_was_spent(operator, generate, spent):
    alice, bob = generate(key_alias="alice"), generate(key_alias="bob")
    first = spent({"id": alice["token_id"], "alias": "alice"}, "1.5", team="blue")
    spent({"id": bob["token_id"], "alias": "bob"}, "0.25", outcome="cut")
    rows = operator("GET", "/spend/logs").get_json()
    assert {(row["api_key"], row["spend"], row["status"]) for row in rows} == {
        (alice["token_id"], 1.5, "success"),
        (bob["token_id"], 0.25, "failure"),
    }
    (row,) = operator("GET", f"/spend/logs?api_key={alice['key']}").get_json()
    assert row["request_id"] == first.call_id
    assert row["model"] == first.model
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (12, 0, 12)
    assert datetime.fromisoformat(row["startTime"]) == first.at
    assert row["metadata"]["user_api_key_team_alias"] == "blue"
    assert operator("GET", "/spend/logs?start_date=2999-01-01").get_json() == []
    assert operator("GET", "/spend/logs?end_date=2020-01-01").get_json() == []
    assert len(operator("GET", "/spend/logs?start_date=0001-01-01&end_date=9999-12-31&summarize=false").get_json()) == 2


def test_with_both_dates_it_is_summed_up_by_day(operator, generate, spent):
    key = generate(key_alias="alice")
    who = {"id": key["token_id"], "alias": "alice"}
    day = datetime(2026, 2, 5, 23, 59, tzinfo=UTC)
    spent(who, "1.5", at=day, model="a")
    spent(who, "0.25", at=day, model="b")
    spent(who, "3", at=day + timedelta(minutes=2), model="a")
    dates = "start_date=2026-02-05&end_date=2026-02-05"
    assert operator("GET", f"/spend/logs?{dates}").get_json() == [
        {"startTime": "2026-02-05", "spend": 1.75, "models": {"a": 1.5, "b": 0.25}, "users": {}}
    ]
    days = operator(
        "GET", f"/spend/logs?start_date=2026-02-01&end_date=2026-02-28&api_key={key['token_id']}"
    ).get_json()
    assert [(one["startTime"], one["spend"]) for one in days] == [("2026-02-05", 1.75), ("2026-02-06", 3)]
    assert len(operator("GET", f"/spend/logs?{dates}&summarize=false").get_json()) == 2


def test_a_log_is_asked_for_strictly(operator):
    for query in (
        "start_date=yesterday", "start_date=2026-02-30", "end_date=%00", "summarize=no", "limit=5", "user_id=u",
        "request_id=r", "start_date=2026-01-01&start_date=2026-01-02", "start_date=2026-01-01T00:00:00",
        "api_key=%0A",
    ):  # fmt: skip
        answer = operator("GET", f"/spend/logs?{query}")
        assert error_of(answer, 400).startswith(f"{query.partition('=')[0]}:"), query
    assert operator("GET", "/spend/logs?api_key=nothing").status_code == 404


def test_a_log_that_is_too_long_is_refused_because_a_part_would_look_like_all(operator, generate, spent, monkeypatch):
    from gateway_infra_keys import admin_litellm

    monkeypatch.setattr(admin_litellm, "MOST_LOGS", 1)
    key = generate()
    for _ in range(2):
        spent({"id": key["token_id"], "alias": ""}, "1")
    assert error_of(operator("GET", "/spend/logs"), 400).startswith("start_date: more than 1 entries")


def test_the_page_about_these_paths_has_every_field():
    text = README.read_text()
    kept = set(KeyWords().fields) | set(TeamWords().fields)
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (\w+)", text, re.MULTILINE))
    assert {name for name, what in rows.items() if what == "ignored"} == set(IGNORED)
    assert {name for name, what in rows.items() if what == "refused"} == set(REFUSED) - kept
    assert {name for name, what in rows.items() if what == "kept"} == kept
