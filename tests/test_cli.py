"""The command line as people type it."""

import json

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

    def run(*words, sent=None):
        words = [str(path) if word == "CONFIG" else word for word in words]
        monkeypatch.setattr("sys.argv", ["gateway", *words])
        return CliRunner().invoke(cli.main, words, input=sent)

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


ASKED = {"model": "claude-opus-4-6", "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]}
FAST = {**ASKED, "speed": "fast", "inference_geo": "us", "stream": True}
EVERYTHING = CONFIG.replace("[anthropic]", "['*']")


def squeezed(result):
    """The output without the padding of tables."""
    return [" ".join(line.split()) for line in result.stdout.splitlines()]


def test_explain_shows_what_would_be_sent_and_every_factor_of_its_price(run):
    run.path.write_text(EVERYTHING)
    result = run("explain", "--config", "CONFIG", sent=json.dumps(FAST))
    assert result.exit_code == 0, result.output
    lines = squeezed(result)
    assert "claude-opus-4-6 through messages as a stream" in lines
    assert "needs fast_mode, for speed (plugin fast_mode)" in lines
    assert "anthropic/claude-opus-4-6 100% of the traffic" in lines
    assert "POST https://api.anthropic.com/v1/messages" in lines
    assert "header anthropic-beta: fast-mode-2026-02-01" in lines
    assert 'body messages: "1 turn, 35 bytes"' in lines
    assert "output 1,000 x $25 x fast_mode 6 x inference_geo 1.1 = $0.165000" in lines
    assert "Hello" not in result.output


def test_explain_says_who_refuses(run):
    run.path.write_text(EVERYTHING.replace("claude-opus-4-6", "claude-sonnet-4-6"))
    lines = squeezed(run("explain", "-c", "CONFIG", "-", sent=json.dumps({**FAST, "model": "claude-sonnet-4-6"})))
    refusal = "refused 400 unsupported_capability: speed: fast_mode is not available for claude-sonnet-4-6"
    assert len([line for line in lines if line.startswith(refusal)]) == 2  # of the request, and of its one deployment
    assert "anthropic/claude-sonnet-4-6 not served here" in lines
    assert "(plugin fast_mode)" in " ".join(lines)


def test_explain_says_what_does_not_travel(run):
    lines = squeezed(run("explain", "-c", "CONFIG", "--beta", "novel-1", sent=json.dumps({**ASKED, "novelty": 1})))
    assert "dropped beta novel-1: The operator does not let the clients' betas through." in lines
    assert "unread novelty: nobody here knows it, and it travels" in lines


def test_explain_prints_the_json_of_the_view_and_prompts_if_asked(run, tmp_path):
    run.path.write_text(EVERYTHING)
    body = tmp_path / "body.json"
    body.write_text(json.dumps({**ASKED, "reasoning_effort": "high", "n": 1}))
    result = run("explain", str(body), "--config", "CONFIG", "--surface", "chat", "--full", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    (place,) = said["deployments"]
    assert (said["surface"], place["deployment"]) == ("chat", "anthropic/claude-opus-4-6")
    assert place["request"]["body"]["thinking"] == {"type": "adaptive"}
    assert place["request"]["body"]["messages"][0]["content"] in ("Hello", [{"type": "text", "text": "Hello"}])


def test_explain_needs_no_credential(run, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    run.path.write_text(CONFIG.replace("      api_key: os.environ/KEY\n", ""))
    assert run("explain", "-c", "CONFIG", sent=json.dumps(ASKED)).exit_code == 0
    monkeypatch.delenv("KEY")
    run.path.write_text(CONFIG.replace("      rpm: 3", "      api_base: os.environ/NOWHERE"))
    result = run("explain", "-c", "CONFIG", sent=json.dumps(ASKED))
    assert result.exit_code == 0, result.output
    assert result.stderr == "note: not set here, so http://unset.invalid stands in: KEY, NOWHERE.\n"
    assert "POST http://unset.invalid/v1/messages" in squeezed(result)


def test_explain_tells_mistakes_in_one_line(run):
    def told(body, *words):
        result = run("explain", "-c", "CONFIG", *words, sent=body)
        assert (result.exit_code, result.stdout) == (1, "")
        return result.stderr

    assert told("[]") == "Error: The body has to be a JSON object, not an array.\n"
    assert "Error: The body is not valid JSON" in told("")
    assert told(json.dumps({**ASKED, "model": "[bold]"})).startswith("Error: model: '[bold]' is not served here.")
    assert "surface: there is no 'smoke', only: messages." in told("{}", "--surface", "smoke")


def test_explain_shows_brackets_as_they_are(run):
    run.path.write_text(
        CONFIG.replace("model_name: claude-opus-4-6", "model_name: '*'").replace("claude-opus-4-6", "*")
    )
    lines = squeezed(run("explain", "-c", "CONFIG", sent=json.dumps({**ASKED, "model": "[red]m[/blue]"})))
    assert "[red]m[/blue] through messages as a whole" in lines
    assert "anthropic/[red]m[/blue] 100% of the traffic" in lines
    assert "total Nobody knows a price of anthropic/[red]m[/blue]." in lines


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
