"""The command line as people type it."""

import pytest
from click.testing import CliRunner

from gateway import cli
from gateway.config import parse
from gateway.serving import Access

CONFIG = """
model_list:
  - model_name: claude-opus-4-6
    litellm_params:
      model: anthropic/claude-opus-4-6
      api_key: os.environ/KEY
      rpm: 3
general_settings:
  master_key: sk-a-key-of-ours
plugins: [anthropic]
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    monkeypatch.setenv("KEY", "x")
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)

    def run(*words):
        words = [str(path) if word == "CONFIG" else word for word in words]
        monkeypatch.setattr("sys.argv", ["gateway", *words])
        return CliRunner().invoke(cli.main, words)

    run.path = path
    return run


def test_check_shows_what_would_be_served(run):
    result = run("check", "--config", "CONFIG")
    assert result.exit_code == 0, result.output
    assert "anthropic/claude-opus-4-6" in result.output
    assert "no effect here: model_list[0].litellm_params.rpm" in result.output
    assert "fine. Price book 'announcement'" in result.output


def test_check_names_file_line_and_key(run):
    run.path.write_text(CONFIG.replace("master_key", "master_kye"))
    result = run("check", "--config", "CONFIG")
    assert result.exit_code == 1
    assert f"{run.path}:9: general_settings.master_kye: unknown key. Did you mean 'master_key'?" in result.output
    assert "Traceback" not in result.output


def test_a_model_without_a_price_stops_startup(run):
    run.path.write_text(CONFIG.replace("anthropic/claude-opus-4-6", "anthropic/claude-new"))
    result = run("check", "--config", "CONFIG")
    assert result.exit_code == 1
    assert "anthropic/claude-new has no price in book 'announcement'" in result.output


def test_an_unset_variable_names_model_and_variable(run, monkeypatch):
    monkeypatch.delenv("KEY")
    result = run("check", "--config", "CONFIG")
    assert "environment variable KEY is not set (needed by model 'claude-opus-4-6')" in result.output


def test_a_deployment_without_any_key_names_the_usual_variable(run, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    run.path.write_text(CONFIG.replace("      api_key: os.environ/KEY\n", ""))
    result = run("check", "--config", "CONFIG")
    assert (
        "model 'claude-opus-4-6': it names no api_key, and the environment variable ANTHROPIC_API_KEY" in result.output
    )


def test_an_unknown_section_is_a_mistake(run):
    run.path.write_text(CONFIG + "anthropc: {}\n")
    assert "anthropc: unknown section. Did you mean 'anthropic'?" in run("check", "--config", "CONFIG").output


def test_plugins_shows_name_kind_and_hooks(run):
    output = run("plugins", "--config", "CONFIG").output
    assert "gateway-provider-anthropic" in output
    assert "register_catalog, register_provider" in output
    assert "master_key" in output


def test_prices_shows_dated_rows_and_tiers(run):
    output = run("prices", "sonnet-5-5", "--book", "current").output
    assert "before 2026-10-07" in output
    assert "from 2026-10-07" in output
    assert "claude-haiku-5-5 > 100,000" in run("prices", "haiku-5-5").output


def test_prices_of_nothing_is_an_error(run):
    result = run("prices", "gpt")
    assert (result.exit_code, "No model matches 'gpt'" in result.output) == (1, True)


def test_serve_needs_a_configuration(run):
    result = run("serve")
    assert result.exit_code == 2
    assert "--config FILE" in result.output


def test_serve_listens_everywhere_with_a_key_and_on_loopback_without(run, monkeypatch):
    started = []
    monkeypatch.setattr(cli, "check_free", lambda host, port: started.append((host, port)))
    monkeypatch.setattr(cli.Server, "run", lambda self: started.append(self.cfg.settings["bind"].get()))
    monkeypatch.delenv("GATEWAY_MASTER_KEY", raising=False)
    result = run("serve", "--config", "CONFIG", "--port", "4321")
    assert started == [("0.0.0.0", 4321), ["0.0.0.0:4321"]]
    assert "price book 'announcement'" in result.output
    assert "curl http://127.0.0.1:4321/v1/messages" in result.output
    assert "sk-a-key-of-ours" not in result.output
    run.path.write_text(CONFIG.replace("general_settings:\n  master_key: sk-a-key-of-ours\n", ""))
    result = run("serve", "--config", "CONFIG", "--port", "4321")
    assert started[2:] == [("127.0.0.1", 4321), ["127.0.0.1:4321"]]
    assert "everybody on this machine can spend with your credentials" in result.output


def test_serve_prints_a_key_that_it_made(capsys):
    key = cli.decide_access(parse("", environ={}), "0.0.0.0")
    cli._announce(parse(""), key, "0.0.0.0", 4000, ["a warning"])
    output = capsys.readouterr().out
    assert output.count(key.key.reveal()) == 4
    assert "warning: a warning" in output


def test_serve_says_when_it_is_open_to_the_network(capsys):
    cli._announce(parse(""), Access(None, warning="No master key is set."), "0.0.0.0", 4000, [])
    assert "open to the network" in capsys.readouterr().out


def test_unknown_commands_and_broken_configurations_are_told_apart(run):
    assert "No such command 'nonsense'" in run("nonsense").output
    run.path.write_text("plugins: [nowhere]\n")
    result = run("ledgre", "--config", "CONFIG")
    assert "'nowhere' is listed but not installed" in result.output


def test_the_version_is_shown(run):
    assert run("--version").output.startswith("gateway, version ")
