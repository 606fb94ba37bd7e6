"""Plugins come in by name, one kind each, checked before anything is served, and in no order that matters."""

import importlib
import sys
from textwrap import dedent

import pytest
from marshmallow import Schema, fields, validate

from gateway.errors import ConfigError, DuplicatePlugin
from gateway.hookspecs import REQUEST_HOOKS, STANDING_HOOKS, STARTUP_HOOKS, hookimpl
from gateway.plugins import KIND_HOOKS, Found, Plugins, build, discover
from gateway.testing import found


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with one entry point on the path, as pip would leave it."""
    kept = [path for path in sys.path if "site-packages" not in path]
    monkeypatch.setattr(sys, "path", kept)

    def install(distribution, entry, code="class Plugin: ...", *, target="Plugin", version="1.0"):
        root = tmp_path / distribution
        module = distribution.replace("-", "_").replace(".", "_").lower() + "_code"
        info = root / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[gateway]\n{entry} = {module}:{target}\n")
        (root / f"{module}.py").write_text(dedent(code))
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()

    yield install
    for name in [name for name in sys.modules if name.endswith("_code")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def test_an_installed_plugin_is_found_with_its_kind(install):
    install("gateway-feature-fast-lane", "fast_lane", version="2.3")
    (one,) = discover()
    assert (one.name, one.kind, one.distribution, one.version) == (
        "fast_lane", "feature", "gateway-feature-fast-lane", "2.3",
    )  # fmt: skip
    assert one.factory.__name__ == "Plugin"


def test_a_vendors_prefix_and_other_spellings_are_fine(install):
    install("Acme.gateway_infra_meter", "meter")
    assert [(one.name, one.kind) for one in discover()] == [("meter", "infra")]


def test_plugins_come_in_the_order_of_their_names(install):
    for name in ("zebra", "apple", "mango"):
        install(f"gateway-infra-{name}", name)
    assert [one.name for one in discover()] == ["apple", "mango", "zebra"]


def test_only_listed_plugins_are_even_imported(install):
    install("gateway-infra-good", "good")
    install("gateway-infra-bad", "bad", "raise RuntimeError('imported')")
    assert [one.name for one in discover(["good"])] == ["good"]
    assert discover([]) == []
    with pytest.raises(ConfigError, match=r"bad \(gateway-infra-bad\) cannot be imported: RuntimeError\('imported'\)"):
        discover(["*"])


def test_plugins_of_other_kinds_are_not_even_imported(install):
    install("gateway-feature-good", "good")
    install("gateway-infra-bad", "bad", "raise RuntimeError('imported')")
    assert [one.name for one in discover(kinds=["feature", "surface"])] == ["good"]


def test_a_listed_plugin_that_is_missing_stops_startup(install):
    install("gateway-infra-ledger", "ledger")
    with pytest.raises(ConfigError, match=r"'leger' is listed but not installed. Did you mean 'ledger'\?"):
        discover(["leger"])


def test_two_distributions_of_one_name_stop_startup(install):
    install("gateway-infra-ledger", "ledger")
    install("acme-gateway-infra-ledger", "ledger")
    with pytest.raises(DuplicatePlugin, match="'ledger'") as duplicate:
        discover()
    assert "acme-gateway-infra-ledger" in duplicate.value.message
    assert " gateway-infra-ledger" in duplicate.value.message


@pytest.mark.parametrize(
    ("distribution", "entry", "says"),
    [
        ("my-ledger", "ledger", "my-ledger offers a plugin, but is not named gateway-<kind>-<thing>"),
        ("gateway-gadget-ledger", "ledger", "gateway-gadget-ledger offers a plugin, but is not named"),
        ("gateway-infra-ledger", "books", "is named 'books'; it has to be 'ledger'"),
    ],
)
def test_names_that_do_not_fit_stop_startup(install, distribution, entry, says):
    install(distribution, entry)
    with pytest.raises(ConfigError, match=says):
        discover()


def test_a_plugin_that_is_no_class_stops_startup(install):
    install("gateway-infra-ledger", "ledger", "Plugin = 5")
    with pytest.raises(ConfigError, match=r"has to be a class, not 5"):
        discover()


class Settings(Schema):
    colour = fields.Str(load_default="red", validate=validate.OneOf(["red", "blue"]))


class Coloured:
    settings = Settings

    def __init__(self, settings):
        self.colour = settings["colour"]


class Plain:
    @hookimpl
    def record_entry(self, entry):
        return entry


@pytest.mark.parametrize(("section", "colour"), [(None, "red"), ({}, "red"), ({"colour": "blue"}, "blue")])
def test_a_plugin_is_built_with_its_own_section(section, colour):
    assert build(found(Coloured, "coloured", "infra"), section).colour == colour


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"color": "red"}, "coloured: color: unknown key. Did you mean 'colour'?"),
        ({"zebra": 1}, "coloured: zebra: unknown key."),
        ({"colour": "green"}, "coloured: colour: Must be one of: red, blue."),
        (["colour"], "coloured: _schema: Invalid input type."),
        ("red", "coloured: _schema: Invalid input type."),
    ],
)
def test_a_section_that_does_not_fit_names_plugin_and_key(section, says):
    with pytest.raises(ConfigError) as wrong:
        build(found(Coloured, "coloured", "infra"), section)
    assert wrong.value.message == says


def test_a_plugin_without_settings_takes_no_section():
    assert isinstance(build(found(Plain, "plain", "infra"), None), Plain)
    with pytest.raises(ConfigError, match="plain: this plugin takes no settings"):
        build(found(Plain, "plain", "infra"), {})


def test_a_loaded_plugin_says_what_it_does():
    (one,) = Plugins([found(Plain, "plain", "infra")], {}).loaded
    assert (one.name, one.kind, one.hooks, one.distribution) == (
        "plain",
        "infra",
        ("record_entry",),
        "gateway-infra-plain",
    )


def test_builtins_come_in_through_the_same_door():
    both = Plugins([found(Plain, "plain", "infra")], {}, {"core": Plain()})
    assert [(one.name, one.kind) for one in both.loaded] == [("core", "builtin"), ("plain", "infra")]
    assert sorted(name for name, _ in both.each("record_entry")) == ["core", "plain"]


def test_two_plugins_of_one_name_stop_startup():
    with pytest.raises(ConfigError, match=r"plugins: plain \(gateway-infra-plain\)"):
        Plugins([found(Plain, "plain", "infra")] * 2, {})


def test_a_hook_that_does_not_exist_stops_startup():
    class Typo:
        @hookimpl
        def record_entries(self, entry):
            """Nobody calls this."""

    with pytest.raises(ConfigError, match="record_entries"):
        Plugins([found(Typo, "typo", "infra")], {})
    with pytest.raises(ConfigError, match="record_entries"):
        Plugins([], {}, {"core": Typo()})


def test_an_argument_that_does_not_exist_stops_startup():
    class Typo:
        @hookimpl
        def record_entry(self, entri):
            """The hook has no such argument."""

    with pytest.raises(ConfigError, match=r"(?s)typo \(gateway-infra-typo\).*entri"):
        Plugins([found(Typo, "typo", "infra")], {})


@pytest.mark.parametrize("kind", ["provider", "feature", "surface"])
def test_a_plugin_of_one_kind_does_no_other_kinds_work(kind):
    with pytest.raises(ConfigError, match=f"is a {kind} and may not implement record_entry"):
        Plugins([found(Plain, "plain", kind)], {})


def test_every_hook_has_a_kind_that_may_use_it():
    assert set().union(*KIND_HOOKS.values()) == {*STARTUP_HOOKS, *REQUEST_HOOKS, *STANDING_HOOKS}


class Answers:
    def __init__(self, settings=None):
        self.seen = []

    @hookimpl
    def register_params(self):
        return ["claim"]

    @hookimpl
    def adjust_cost(self, served, usage):
        return (served, usage)


def test_answers_are_gathered_by_plugin():
    plugins = Plugins([found(Answers, "one", "feature"), found(Answers, "two", "feature")], {})
    assert plugins.gather("register_params") == {"one": ["claim"], "two": ["claim"]}
    assert plugins.gather("register_catalog") == {}


def test_an_implementation_gets_the_arguments_that_it_names():
    plugins = Plugins([found(Answers, "one", "feature")], {})
    ((name, call),) = plugins.each("adjust_cost")
    assert (name, call(call="c", usage="u", served="s")) == ("one", ("s", "u"))
    assert plugins.hook.adjust_cost(call="c", usage="u", served="s") == [("s", "u")]


def test_it_is_known_whether_anybody_implements_a_hook():
    plugins = Plugins([found(Answers, "one", "feature")], {})
    assert plugins.has("adjust_cost")
    assert not plugins.has("record_entry")


def test_sections_reach_their_plugins():
    class Loud(Coloured):
        @hookimpl
        def register_views(self):
            return self.colour

    loud = Found("loud", "infra", Loud, "gateway-infra-loud", "1")
    assert Plugins([loud], {"loud": {"colour": "blue"}}).gather("register_views") == {"loud": "blue"}
