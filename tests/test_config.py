"""Every mistake in a configuration is named with file, line and key; what people bring along starts unchanged."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, validate

from gateway import config
from gateway.attachment import Patience
from gateway.catalog import BOOKS
from gateway.config import load, parse
from gateway.deployments import Deployments
from gateway.document import dotted
from gateway.errors import ConfigError
from gateway.provider import Provider
from gateway.secret import Secret, SecretField

SAMPLE = """\
model_list:
  - model_name: claude-opus-4-6
    litellm_params:
      model: anthropic/claude-opus-4-6
      api_key: os.environ/ANTHROPIC_API_KEY
general_settings:
  master_key: os.environ/GATEWAY_MASTER_KEY
  forward_client_headers_to_llm_api: true
"""
KEYS = {"ANTHROPIC_API_KEY": "sk-ant-1", "GATEWAY_MASTER_KEY": "sk-master-1"}


class Settings(Schema):
    api_key = SecretField(load_default=None)
    api_base = fields.Url(require_tld=False, load_default=None)
    region = fields.Str(validate=validate.OneOf(["us", "eu"]))


class Anthropic(Provider):
    name = "anthropic"
    settings = Settings

    def public_name(self, upstream):
        return upstream.removeprefix("account-7/")


PROVIDERS = {"anthropic": Anthropic(), "bedrock": Anthropic()}


def read(text, environ=KEYS):
    return parse(dedent(text), "gateway.yaml", environ)


def served(text, environ=KEYS):
    models = Deployments(read(text, environ), PROVIDERS)
    made, warnings = models.read(), list(models.warnings)
    return made, warnings


def model(*lines, name="m"):
    inner = "".join(f"      {line}\n" for line in lines)
    return f"model_list:\n  - model_name: {name}\n    litellm_params:\n{inner}"


def mistake(text, environ=KEYS):
    with pytest.raises(ConfigError) as wrong:
        served(text, environ)
    return wrong.value.message


def test_the_sample_works_unchanged():
    made, warnings = served(SAMPLE)
    (one,) = made
    assert (one.model_name, one.provider, one.upstream) == ("claude-opus-4-6", "anthropic", "claude-opus-4-6")
    assert one.settings["api_key"] == Secret("sk-ant-1")
    assert (one.id, one.base_model, one.rates, one.weight, one.named) == (
        "anthropic/claude-opus-4-6", "", None, 1.0, True,
    )  # fmt: skip
    settings = read(SAMPLE)
    assert settings.master_key == Secret("sk-master-1")
    assert settings.forward_headers is True
    assert settings.book == "announcement"
    assert settings.warnings == ()
    assert warnings == []


def test_what_is_private_in_a_name_stays_out_of_the_deployments_id():
    (one,), _ = served(model("model: anthropic/account-7/claude-x"))
    assert (one.id, one.upstream, one.shown) == ("anthropic/claude-x", "account-7/claude-x", "claude-x")


def test_a_deployment_may_lack_capabilities():
    (one,), _ = served(model("model: anthropic/claude-x", "lacks: [summary, speed]"))
    assert one.lacks == {"summary", "speed"}


def test_what_may_be_fetched_and_shown_is_off_until_somebody_says_so():
    settings = read(SAMPLE)
    assert (settings.fetch_urls, settings.show_upstream_details) == (False, False)
    told = read(
        "general_settings: {fetch_urls: true, fetch_max_mb: 1.5, fetch_timeout: 3, show_upstream_details: true}"
    )
    assert (told.fetch_urls, told.show_upstream_details) == (True, True)
    assert (told.fetch.size, told.fetch.seconds) == (1_572_864, 3)
    assert read("general_settings: {fetch_urls: true}").fetch == Patience()


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(SAMPLE)
    assert load(path, KEYS).models == read(SAMPLE).models


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "config.yaml"
    if content:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read"):
        load(path, {})


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "{}", "\ufeff"])
def test_an_empty_file_is_all_defaults(text):
    empty = read(text, {})
    assert (empty.models, empty.master_key, empty.forward_headers, empty.refuse_unknown) == ((), None, False, False)
    assert (empty.max_body, empty.plugins, empty.book, empty.drop_params) == (32 * 2**20, ("*",), BOOKS[0], False)
    assert (empty.sections, empty.warnings, empty.ca, empty.proxy) == ({}, (), None, None)


def test_every_setting_arrives(tmp_path):
    (tmp_path / "ca.pem").touch()
    full = read(
        f"""\
        general_settings:
          master_key: "  sk-1  "
          forward_client_headers_to_llm_api: true
          forwarded_headers: [X-Trace-Id]
          unknown_params: refuse
          max_request_size_mb: 1.5
          ca_bundle: {tmp_path}/ca.pem
          proxy: http://proxy:3128
        litellm_settings:
          drop_params: true
        router_settings:
          connect_timeout: 1
          first_byte_timeout: 2.5
          idle_timeout: 3
          timeout: 4
          keepalive_interval: 5
        plugins: [anthropic]
        pricing:
          book: current
        fast_mode:
          colour: red
        """
    )
    assert full.master_key == Secret("sk-1")
    assert full.forwarded_headers == ("x-trace-id",)
    assert full.refuse_unknown
    assert full.drop_params
    assert full.max_body == 1.5 * 2**20
    assert (full.ca, full.proxy) == (f"{tmp_path}/ca.pem", "http://proxy:3128")
    times = full.timeouts
    assert (times.connect, times.first_byte, times.idle, times.total, times.keepalive) == (1, 2.5, 3, 4, 5)
    assert (full.plugins, full.book, full.sections) == (("anthropic",), "current", {"fast_mode": {"colour": "red"}})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("general_settings:\n  master_keys: x\n", "gateway.yaml:2: general_settings.master_keys: unknown key. Did you mean 'master_key'?"),
        ("router_settings:\n\n  timout: 5\n", "gateway.yaml:3: router_settings.timout: unknown key. Did you mean 'timeout'?"),
        ("litellm_settings: {drop_param: true}\n", "gateway.yaml:1: litellm_settings.drop_param: unknown key. Did you mean 'drop_params'?"),
        ("pricing:\n  zebra: 1\n", "gateway.yaml:2: pricing.zebra: unknown key."),
        ("pricing:\n  book: today\n", "gateway.yaml:2: pricing.book: Must be one of: announcement, current."),
        ("general_settings: []\n", "gateway.yaml:1: general_settings: has to be a mapping."),
        ("general_settings: 0\n", "gateway.yaml:1: general_settings: has to be a mapping."),
        ("general_settings:\n  master_key: ''\n", "gateway.yaml:2: general_settings.master_key: Has to be a non-empty string."),
        ("general_settings:\n  master_key: 1234\n", "gateway.yaml:2: general_settings.master_key: Has to be a non-empty string."),
        ("general_settings:\n  max_request_size_mb: 0\n", "gateway.yaml:2: general_settings.max_request_size_mb: Must be greater than 0."),
        ("general_settings:\n  max_request_size_mb: .inf\n", "gateway.yaml:2: general_settings.max_request_size_mb: Special numeric values (nan or infinity) are not permitted."),
        ("general_settings:\n  forwarded_headers: X-A\n", "gateway.yaml:2: general_settings.forwarded_headers: Not a valid list."),
        ("general_settings:\n  forwarded_headers:\n    - x-a\n    - 7\n", "gateway.yaml:4: general_settings.forwarded_headers[1]: Not a valid string."),
        ("general_settings:\n  forwarded_headers:\n    - x-a\n    - Cookie\n", "gateway.yaml:4: general_settings.forwarded_headers[1]: 'Cookie' is never forwarded."),
        ("general_settings:\n  forwarded_headers: [X-Amz-Security-Token]\n", "gateway.yaml:2: general_settings.forwarded_headers[0]: 'X-Amz-Security-Token' is never forwarded."),
        ("general_settings:\n  unknown_params: ignore\n", "gateway.yaml:2: general_settings.unknown_params: Must be one of: pass, refuse."),
        ("router_settings:\n  timeout: soon\n", "gateway.yaml:2: router_settings.timeout: Not a valid number."),
        ("router_settings:\n  timeout: -1\n", "gateway.yaml:2: router_settings.timeout: Must be greater than 0 and less than or equal to 86400."),
        ("router_settings:\n  keepalive_interval: 60\n", "gateway.yaml:2: router_settings.keepalive_interval: Must be greater than 0 and less than or equal to 15."),
        ("plugins: anthropic\n", "gateway.yaml:1: plugins: has to be a list of plugin names."),
        ("plugins: [1]\n", "gateway.yaml:1: plugins: has to be a list of plugin names."),
        ("model_list: {}\n", "gateway.yaml:1: model_list: has to be a list."),
        ("model_list:\n  - nothing\n", "gateway.yaml:2: model_list[0]: has to be a mapping."),
        ("- a\n- b\n", "gateway.yaml:1: the file has to be a mapping of sections."),
        ("just text\n", "gateway.yaml:1: the file has to be a mapping of sections."),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_key(text, says):
    assert mistake(text) == says


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: b: c\n", 1, "no valid YAML"),
        ("general_settings:\n\tmaster_key: x\n", 2, "no valid YAML"),
        ("x:\n  - [1, 2\n", 3, "no valid YAML"),
        ("a: 1\nb: \x01\n", 1, "no valid YAML"),
        ("a: 1\nb: !custom x\n", 2, "no valid YAML"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "no valid YAML"),
        ("a: 1\nb: 2026-13-45\n", 2, "cannot be read"),
        ("a: 1\nb: !!int many\n", 2, "cannot be read"),
        ("a: 1\nb:\n  <<: 5\n", 3, "no valid YAML"),
        ("a: *nowhere\n", 1, "no valid YAML"),
        ("a: &a\n  - *a\n", 1, "nested too deep"),
        ("a: " + "[" * 3000 + "]" * 3000, 1, "nested too deep"),
        ("a: !!bool maybe\n", 1, "cannot be read"),
        ("a: !!timestamp maybe\n", 1, "cannot be read"),
        ("a: 1\n---\nb: 2\n", 2, "no valid YAML"),
    ],
)
def test_text_that_is_no_yaml_is_named_with_its_line(text, line, says):
    message = mistake(text)
    assert message.startswith(f"gateway.yaml:{line}: ")
    assert says in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pricing:\n  book: current\npricing:\n  book: current\n", "gateway.yaml:3: pricing: given twice."),
        (
            "general_settings:\n  proxy: a\n  ca_bundle: b\n  proxy: c\n",
            "gateway.yaml:4: general_settings.proxy: given twice.",
        ),
        (
            model("model: anthropic/x", "api_key: a", "api_key: b"),
            "gateway.yaml:6: model_list[0].litellm_params.api_key: given twice.",
        ),
    ],
)
def test_a_key_given_twice_is_refused(text, says):
    assert mistake(text) == says


def test_an_unset_variable_of_a_model_names_model_and_variable():
    assert mistake(SAMPLE, {"GATEWAY_MASTER_KEY": "x"}) == (
        "gateway.yaml:5: model_list[0].litellm_params.api_key: environment variable ANTHROPIC_API_KEY is not set "
        "(needed by model 'claude-opus-4-6')."
    )


@pytest.mark.parametrize("value", ["", "   "])
def test_an_empty_variable_counts_as_unset(value):
    assert "environment variable ANTHROPIC_API_KEY is not set" in mistake(SAMPLE, KEYS | {"ANTHROPIC_API_KEY": value})


def test_an_unset_variable_elsewhere_names_its_key():
    assert mistake(SAMPLE, {"ANTHROPIC_API_KEY": "x"}) == (
        "gateway.yaml:7: general_settings.master_key: environment variable GATEWAY_MASTER_KEY is not set."
    )


def test_an_unset_variable_in_place_of_a_model_is_a_mistake_too():
    assert "has to be a mapping" in mistake("model_list: [os.environ/NOWHERE]")
    assert "has to be a list" in mistake("model_list: os.environ/NOWHERE")


def test_variables_stand_anywhere_and_only_whole():
    text = model("model: os.environ/MODEL", "api_key: os.environ/KEY", "weight: os.environ/WEIGHT")
    (one,), _ = served(text, {"MODEL": "anthropic/claude-x", "KEY": " k ", "WEIGHT": "2.5"})
    assert (one.upstream, one.settings["api_key"], one.weight) == ("claude-x", Secret("k"), 2.5)
    (one,), _ = served(model("model: anthropic/x", "api_key: see os.environ/KEY"))
    assert one.settings["api_key"] == Secret("see os.environ/KEY")


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({}, None),
        ({"GATEWAY_MASTER_KEY": "a"}, "a"),
        ({"LITELLM_MASTER_KEY": "b"}, "b"),
        ({"GATEWAY_MASTER_KEY": "a", "LITELLM_MASTER_KEY": "b"}, "a"),
        ({"GATEWAY_MASTER_KEY": " ", "LITELLM_MASTER_KEY": " b "}, "b"),
    ],
)
def test_the_key_may_come_from_the_environment_alone(environ, key):
    found = read("general_settings:\n  master_key:\n", environ).master_key
    assert found == (Secret(key) if key else None)


def test_the_files_key_wins_over_the_environments():
    assert read("general_settings: {master_key: mine}", KEYS).master_key == Secret("mine")


def test_keys_that_people_bring_along_give_one_warning():
    text = """\
        model_list:
          - model_name: m
            litellm_params: {model: anthropic/x, rpm: 5, timeout: 9}
            model_info: {mode: chat}
        litellm_settings: {callbacks: [x], set_verbose: true}
        general_settings: {alerting: [slack]}
        router_settings: {routing_strategy: simple-shuffle}
        environment_variables: {A: b}
        """
    (warning,) = read(text).warnings
    assert warning.startswith("gateway.yaml: these keys are known from LiteLLM and have no effect here: ")
    for key in (
        "litellm_settings.callbacks",
        "litellm_settings.set_verbose",
        "general_settings.alerting",
        "router_settings.routing_strategy",
        "model_list[0].model_info.mode",
        "environment_variables",
    ):
        assert key in warning
    _, (more,) = served(text)
    assert "model_list[0].litellm_params.rpm, model_list[0].litellm_params.timeout" in more


def test_sections_of_plugins_are_kept_for_their_plugins():
    assert read("fast_mode: {a: 1}\nledger:\n").sections == {"fast_mode": {"a": 1}, "ledger": None}


def test_anchors_and_merges_keep_their_own_lines():
    text = """\
        model_list:
          - model_name: a
            litellm_params: &base
              model: anthropic/a
              api_key: os.environ/ANTHROPIC_API_KEY
              region: us
          - model_name: b
            litellm_params:
              <<: *base
              model: anthropic/b
          - model_name: c
            litellm_params:
              <<: *base
              regon: eu
        """
    assert mistake(text) == ("gateway.yaml:14: model_list[2].litellm_params.regon: unknown key. Did you mean 'region'?")
    made, _ = served(text.replace("regon", "region"))
    assert [(one.upstream, one.settings["region"], one.settings["api_key"].reveal()) for one in made] == [
        ("a", "us", "sk-ant-1"),
        ("b", "us", "sk-ant-1"),
        ("a", "eu", "sk-ant-1"),
    ]


def test_a_merged_key_is_overridden_and_not_given_twice():
    made, _ = served(
        """\
        model_list:
          - &one {model_name: a, litellm_params: {model: anthropic/a}}
          - &two {<<: *one, model_name: b}
          - *two
          - {<<: [*two, *one], model_name: c}
        """
    )
    assert [one.model_name for one in made] == ["a", "b", "b", "c"]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["api_key: x"], "gateway.yaml:3: model_list[0].litellm_params.model: has to read provider/model"),
        (["model:"], "gateway.yaml:4: model_list[0].litellm_params.model: has to read provider/model"),
        (["model: claude"], "gateway.yaml:4: model_list[0].litellm_params.model: has to read provider/model"),
        (["model: anthropic/"], "gateway.yaml:4: model_list[0].litellm_params.model: has to read provider/model"),
        (["model: /claude"], "gateway.yaml:4: model_list[0].litellm_params.model: has to read provider/model"),
        (["model: [a]"], "gateway.yaml:4: model_list[0].litellm_params.model: has to read provider/model"),
        (["model: antropic/x"], "gateway.yaml:4: model_list[0].litellm_params.model: no provider 'antropic' is installed, only: anthropic, bedrock. Did you mean 'anthropic'?"),
        (["model: anthropic/x", "api_bas: http://h"], "gateway.yaml:5: model_list[0].litellm_params.api_bas: unknown key. Did you mean 'api_base'?"),
        (["model: anthropic/x", "api_base: not-a-url"], "gateway.yaml:5: model_list[0].litellm_params.api_base: Not a valid URL."),
        (["model: anthropic/x", "region: mars"], "gateway.yaml:5: model_list[0].litellm_params.region: Must be one of: us, eu."),
        (["model: anthropic/x", "api_key: ''"], "gateway.yaml:5: model_list[0].litellm_params.api_key: Has to be a non-empty string."),
        (["model: anthropic/x", "weight: 0"], "gateway.yaml:5: model_list[0].litellm_params.weight: Must be greater than 0."),
        (["model: anthropic/x", "weight: heavy"], "gateway.yaml:5: model_list[0].litellm_params.weight: Not a valid number."),
        (["model: anthropic/x", "base_model: 7"], "gateway.yaml:5: model_list[0].litellm_params.base_model: Not a valid string."),
        (["model: anthropic/*"], "gateway.yaml:4: model_list[0].litellm_params.model: holds a *, but model_name 'm' has none to fill it."),
        (["model: anthropic/*-*"], "gateway.yaml:4: model_list[0].litellm_params.model: a name may hold one * only."),
        (["model: anthropic/x", "input_cost_per_token: 1"], "gateway.yaml:3: model_list[0].litellm_params: own prices need output_cost_per_token too."),
        (["model: anthropic/x", "output_cost_per_token: 1"], "gateway.yaml:3: model_list[0].litellm_params: own prices need input_cost_per_token too."),
        (["model: anthropic/x", "input_cost_per_token: much", "output_cost_per_token: 1"], "gateway.yaml:5: model_list[0].litellm_params.input_cost_per_token: a price has to be a number of US dollars per token, not negative."),
        (["model: anthropic/x", "input_cost_per_token: 1", "output_cost_per_token: -1"], "gateway.yaml:6: model_list[0].litellm_params.output_cost_per_token: a price has to be a number of US dollars per token, not negative."),
        (["model: anthropic/x", "input_cost_per_token: 1", "output_cost_per_token: .nan"], "gateway.yaml:6: model_list[0].litellm_params.output_cost_per_token: a price has to be a number of US dollars per token, not negative."),
        (["model: anthropic/x", "input_cost_per_token: true", "output_cost_per_token: 1"], "gateway.yaml:5: model_list[0].litellm_params.input_cost_per_token: a price has to be a number of US dollars per token, not negative."),
    ],
)  # fmt: skip
def test_a_mistake_in_a_model_is_named_with_file_line_and_key(lines, says):
    assert mistake(model(*lines)).startswith(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model_list: [{litellm_params: {model: a/b}}]", "gateway.yaml:1: model_list[0].model_name: Missing data for required field."),
        ("model_list: [{model_name: '', litellm_params: {model: a/b}}]", "gateway.yaml:1: model_list[0].model_name: "),
        ("model_list: [{model_name: 5, litellm_params: {model: a/b}}]", "gateway.yaml:1: model_list[0].model_name: Not a valid string."),
        ("model_list: [{model_name: m}]", "gateway.yaml:1: model_list[0]: needs litellm_params (or params) with a model."),
        ("model_list: [{model_name: m, params: []}]", "gateway.yaml:1: model_list[0].params: Not a valid mapping type."),
        ("model_list: [{model_name: m, parms: {}}]", "gateway.yaml:1: model_list[0].parms: unknown key. Did you mean 'params'?"),
        ("model_list: [{model_name: m, litellm_params: {model: a/b}, params: {model: a/b}}]", "gateway.yaml:1: model_list[0].params: stands beside litellm_params, which says the same."),
        ("model_list:\n- model_name: m\n  litellm_params: {model: a/b}\n  model_info: {idd: 5}", "gateway.yaml:4: model_list[0].model_info.idd: unknown key. Did you mean 'id'?"),
        ("model_list:\n- model_name: m\n  params:\n    model: antropic/b", "gateway.yaml:4: model_list[0].params.model: no provider 'antropic'"),
        ("model_list:\n- model_name: m\n  params:\n    model: anthropic/b\n    regio: us", "gateway.yaml:5: model_list[0].params.regio: unknown key. Did you mean 'region'?"),
        ("model_list:\n- model_name: 'a*b*'\n  params:\n    model: anthropic/b", "gateway.yaml:4: model_list[0].params.model: a name may hold one * only."),
    ],
)  # fmt: skip
def test_a_mistake_around_a_model_is_named_too(text, says):
    assert mistake(text).startswith(says)


def test_no_provider_at_all_is_said_plainly():
    with pytest.raises(ConfigError, match=r"no provider 'anthropic' is installed, only: none\."):
        Deployments(read(SAMPLE), {}).read()


def test_several_deployments_of_one_name_have_ids_of_their_own():
    text = "model_list:\n" + "".join(
        f"  - {{model_name: m, litellm_params: {{model: anthropic/x}}, model_info: {{{info}}}}}\n"
        for info in ("", "", "id: mine", "id: mine", "id: 'anthropic/x#2'")
    )
    made, _ = served(text)
    assert [one.id for one in made][:4] == ["anthropic/x", "anthropic/x#2", "mine", "mine#2"]
    assert len({one.id for one in made}) == 5


def test_wildcards_are_not_named_deployments():
    made, _ = served("model_list:\n- {model_name: 'claude-*', litellm_params: {model: 'anthropic/claude-*'}}\n"
                     "- {model_name: '*', litellm_params: {model: anthropic/claude-x}}\n")  # fmt: skip
    assert [(one.model_name, one.upstream, one.named) for one in made] == [
        ("claude-*", "claude-*", False),
        ("*", "claude-x", False),
    ]


def test_the_upstreams_name_may_hold_slashes():
    (one,), _ = served(model("model: bedrock/converse/us.claude"))
    assert (one.provider, one.upstream) == ("bedrock", "converse/us.claude")


@pytest.mark.parametrize(
    ("lines", "info", "base"),
    [
        (["base_model: a"], "", "a"),
        ([], "    model_info: {base_model: b}\n", "b"),
        (["base_model: a"], "    model_info: {base_model: b}\n", "b"),
    ],
)
def test_the_base_model_may_stand_in_two_places(lines, info, base):
    (one,), _ = served(model("model: anthropic/x", *lines) + info)
    assert (one.base_model, one.priced_as) == (base, base)


def test_own_prices_are_dollars_per_token():
    (one,), _ = served(
        model(
            "model: anthropic/x",
            "input_cost_per_token: 0.000003",
            "output_cost_per_token: 1.5e-5",
            "cache_read_input_token_cost: '0.0000003'",
        )
    )
    assert one.rates == {
        "input": Decimal(3),
        "output": Decimal(15),
        "cache_read": Decimal("0.3"),
        "cache_write_5m": Decimal(3),
        "cache_write_1h": Decimal(3),
    }


def test_a_whole_table_of_own_prices_is_taken():
    (one,), _ = served(
        model(
            "model: anthropic/x",
            "input_cost_per_token: 0",
            "output_cost_per_token: 0",
            "cache_creation_input_token_cost: 0.000001",
            "cache_creation_input_token_cost_above_1hr: 0.000002",
            "cache_read_input_token_cost: 0.000003",
        )
    )
    assert one.rates == {"input": 0, "output": 0, "cache_write_5m": 1, "cache_write_1h": 2, "cache_read": 3}


def test_no_secret_shows_in_what_is_printed():
    made, _ = served(SAMPLE)
    text = repr(made) + repr(replace(read(SAMPLE), document=None, models=()))
    assert "sk-ant-1" not in text
    assert "sk-master-1" not in text


def test_paths_read_as_people_write_them():
    assert dotted(("model_list", 0, "litellm_params", "model")) == "model_list[0].litellm_params.model"
    assert dotted(()) == ""


def test_the_shipped_configurations_are_read():
    hosts = ("AZURE_AI_API_KEY", "AZURE_AI_API_BASE", "VERTEX_PROJECT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environ = dict.fromkeys(["ANTHROPIC_API_KEY", "GATEWAY_MASTER_KEY", *hosts], "sk-x")
    for path in sorted((Path(config.__file__).parents[1] / "deploy").glob("*.yaml")):
        if "compose" not in path.name:
            assert load(path, environ)


@given(st.text(max_size=60) | st.lists(st.sampled_from(list("ab:-[]{}*&!<>|?#'\"\n \t1\\")), max_size=40).map("".join))
def test_any_text_is_a_configuration_or_a_named_mistake(text):
    with suppress(ConfigError):
        read(text, {})
        return
    with pytest.raises(ConfigError, match=r"^gateway\.yaml:\d+: "):
        read(text, {})


def test_an_empty_list_of_plugins_is_no_list():
    assert read("plugins:\n").plugins == ("*",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "general_settings:\n  ca_bundle: /nowhere/ca.pem\n",
            "gateway.yaml:2: general_settings.ca_bundle: there is no file",
        ),
        ("general_settings:\n  forwarded_headers: [anthropic-beta]\n", "'anthropic-beta' is never forwarded"),
        ("general_settings:\n  proxy: http://h:1x\n", "gateway.yaml:2: general_settings.proxy: .* has no valid port"),
        ("general_settings:\n  proxy: ftp://h\n", "is not http or https"),
        ("general_settings:\n  proxy: http://h/?key=x\n", "has a query or a fragment"),
        ("general_settings:\n  proxy: 'http://h o/'\n", "has no valid host"),
        ("general_settings:\n  proxy: 7\n", "not a text"),
        ("general_settings:\n  master_key: schlüssel\n", "printable ASCII"),
        ("? [a, b]\n: c\n", "a key has to be a text"),
    ],
)
def test_what_would_fail_every_call_fails_at_startup(text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        read(text)


def test_a_price_that_nobody_can_mean_is_a_mistake():
    with pytest.raises(ConfigError, match="input_cost_per_token: a price has to be"):
        served(model("model: anthropic/x", "input_cost_per_token: 1e999", "output_cost_per_token: 1"))
