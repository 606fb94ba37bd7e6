"""Startup: what fits together serves, and what does not stops, with both parties named."""

import pytest
from marshmallow import Schema

from gateway import ClaimConflict, ConfigError, FactorRow, GrantRow, Param, Reading, SecretField, Surface, hookimpl
from gateway.app import create_app
from gateway.config import parse
from gateway.errors import CatalogConflict, DuplicatePlugin, UnpricedDeployment
from gateway.testing import TestHost as Host
from gateway.testing import TestHostPlugin as HostPlugin
from gateway.testing import found

HOST = found(HostPlugin, "test", "provider")


def start(*plugins, yaml=""):
    return create_app(parse(yaml, "c.yaml", {}), found=plugins)


class Tone:
    @hookimpl
    def register_params(self):
        return [Param("tone")]


def test_two_claims_on_one_parameter_stop_startup():
    with pytest.raises(ClaimConflict, match="tone is claimed by two plugins: (a and b|b and a)"):
        start(found(Tone, "a", "feature"), found(Tone, "b", "feature"))


def test_a_claim_on_the_cores_own_field_stops_startup():
    class Greedy:
        @hookimpl
        def register_params(self):
            return [Param("messages")]

    with pytest.raises(ClaimConflict, match="messages is claimed by greedy, but it belongs to the core"):
        start(found(Greedy, "greedy", "feature"))


def test_rows_that_overlap_stop_startup():
    class Priced:
        @hookimpl
        def register_catalog(self):
            return [FactorRow(reason="r", times=1), GrantRow(capability="c")]

    with pytest.raises(CatalogConflict, match="Two FactorRows overlap"):
        start(found(Priced, "a", "feature"), found(Priced, "b", "feature"))


def test_two_surfaces_of_one_path_stop_startup():
    class Mine(Surface):
        name = "mine"
        paths = {"/v1/messages": "create"}

        def read(self, asked, headers):
            return Reading("m", {}, stream=False)

    class MinePlugin:
        @hookimpl
        def register_surface(self):
            return Mine()

    with pytest.raises(DuplicatePlugin, match="/v1/messages is served by two surfaces"):
        start(found(MinePlugin, "mine", "surface"))


def test_a_named_deployment_without_a_price_stops_startup():
    class Unpriced:
        @hookimpl
        def register_provider(self):
            return Host()

    yaml = "model_list: [{model_name: m, litellm_params: {model: test/m%s}}]"
    unpriced = found(Unpriced, "test", "provider")
    with pytest.raises(UnpricedDeployment, match=r"c\.yaml:1: model_list\[0\].*test/m has no price"):
        start(unpriced, yaml=yaml % "")
    assert start(unpriced, yaml=yaml % ", input_cost_per_token: 1e-6, output_cost_per_token: 0.000005")
    wild = "model_list: [{model_name: '*', litellm_params: {model: 'test/*'}}]"
    assert start(unpriced, yaml=wild)


def test_an_unknown_provider_stops_startup_with_a_hint():
    with pytest.raises(ConfigError, match="no provider 'tset' is installed, only: test. Did you mean 'test'"):
        start(HOST, yaml="model_list: [{model_name: m, litellm_params: {model: tset/m}}]")


def test_a_section_for_nobody_stops_startup():
    with pytest.raises(ConfigError, match="c.yaml:1: tst: unknown section. Did you mean 'test'"):
        start(HOST, yaml="tst: {}")


def test_a_section_for_a_plugin_without_settings_stops_startup():
    with pytest.raises(ConfigError, match="test: this plugin takes no settings"):
        start(HOST, yaml="test: {a: 1}")


def test_two_apps_live_in_one_process():
    one = start(HOST, yaml="general_settings: {master_key: sk-one-of-two}")
    two = start(yaml="general_settings: {master_key: sk-two-of-two}")
    assert one.test_client().get("/v1/models", headers={"x-api-key": "sk-one-of-two"}).status_code == 200
    assert two.test_client().get("/v1/models", headers={"x-api-key": "sk-one-of-two"}).status_code == 401


def test_a_shared_setting_reaches_the_plugins_that_know_it():
    told = {}

    class Keeper:
        class settings(Schema):  # noqa: N801 - the name that the core looks for
            database_url = SecretField(load_default=None)

        def __init__(self, settings):
            told.update(settings)

        @hookimpl
        def record_entry(self):
            """Keeps nothing."""

    keeper = found(Keeper, "keeper", "infra")
    start(HOST, keeper, yaml="general_settings: {database_url: 'sqlite:///a'}")
    assert told["database_url"].reveal() == "sqlite:///a"
    start(HOST, keeper, yaml="general_settings: {database_url: 'sqlite:///a'}\nkeeper: {database_url: 'sqlite:///b'}")
    assert told["database_url"].reveal() == "sqlite:///b"


def test_a_capability_that_nobody_knows_cannot_be_lacked():
    class Able:
        @hookimpl
        def register_catalog(self):
            return [GrantRow(capability="summary", provider="test")]

    text = "model_list: [{{model_name: m, litellm_params: {{model: test/m, lacks: [{}], {}}}}}]"
    prices = "input_cost_per_token: 1, output_cost_per_token: 1"
    able = found(Able, "able", "feature")
    start(HOST, able, yaml=text.format("summary", prices))
    with pytest.raises(ConfigError, match=r"lacks: no package knows a capability 'sumary'. Did you mean 'summary'\?"):
        start(HOST, able, yaml=text.format("sumary", prices))
