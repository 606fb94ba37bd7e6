"""Which key guards which address."""

import socket

import pytest

from gateway.config import parse
from gateway.errors import ConfigError
from gateway.serving import app_from_environment, check_free, decide_access, is_loopback, parts_of, server_options


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "localhost", "::1", "[::1]", "unix:/run/x.sock"])
def test_these_addresses_are_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])
def test_these_addresses_are_the_world(host):
    assert not is_loopback(host)


def test_without_a_key_loopback_is_open_and_loud():
    access = decide_access(parse("", environ={}), "127.0.0.1")
    assert access.key is None
    assert "everybody on this machine can spend" in access.warning


@pytest.mark.parametrize("host", ["0.0.0.0", None])
def test_without_a_key_any_other_address_makes_one(host):
    access = decide_access(parse("", environ={}), host)
    assert access.generated
    assert access.key.reveal().startswith("sk-")
    assert len(access.key.reveal()) > 40


def test_no_auth_opens_on_purpose():
    access = decide_access(parse("", environ={}), "0.0.0.0", no_auth=True)
    assert access.key is None
    assert "everybody who can reach this address" in access.warning


def test_a_key_that_everybody_knows_is_for_loopback_only():
    config = parse("general_settings: {master_key: sk-1234}")
    assert decide_access(config, "127.0.0.1").key.reveal() == "sk-1234"
    with pytest.raises(ConfigError, match="public documentation"):
        decide_access(config, "0.0.0.0")


@pytest.mark.parametrize("name", ["GATEWAY_MASTER_KEY", "LITELLM_MASTER_KEY"])
def test_the_key_may_come_from_the_environment(name):
    assert decide_access(parse("", environ={name: " sk-from-there "}), "0.0.0.0").key.reveal() == "sk-from-there"


def test_a_taken_port_is_an_error_that_says_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="choose another with --port or PORT"):
            check_free("127.0.0.1", taken.getsockname()[1])


def test_ipv6_addresses_are_bound_in_brackets():
    assert server_options("::1", 4000, 1, 1)["bind"] == ["[::1]:4000"]
    assert server_options("127.0.0.1", 4000, 1, 1)["bind"] == ["127.0.0.1:4000"]


def test_the_app_for_gunicorn_needs_a_configuration(tmp_path):
    with pytest.raises(ConfigError, match="GATEWAY_CONFIG is not set"):
        app_from_environment({})
    path = tmp_path / "config.yaml"
    path.write_text("plugins: []\n")
    app = app_from_environment({"GATEWAY_CONFIG": str(path), "GATEWAY_MASTER_KEY": "sk-mine-alone"})
    assert parts_of(app).config.master_key.reveal() == "sk-mine-alone"
    assert app.test_client().get("/v1/models").status_code == 401


def test_the_app_for_gunicorn_makes_a_key_unless_it_is_told_not_to(tmp_path, capsys):
    path = tmp_path / "config.yaml"
    path.write_text("plugins: []\n")
    app_from_environment({"GATEWAY_CONFIG": str(path)})
    assert capsys.readouterr().err.startswith("GATEWAY_MASTER_KEY=sk-")
    app = app_from_environment({"GATEWAY_CONFIG": str(path), "GATEWAY_NO_AUTH": "1"})
    assert app.test_client().get("/v1/models").status_code == 200


@pytest.mark.parametrize(
    ("admin", "open_to_all"),
    [("127.0.0.1:4001", True), ("[::1]:4001", True), ("unix:/run/admin.sock", True), ("0.0.0.0:4001", False), ("10.0.0.5:4001", False)],
)  # fmt: skip
def test_a_listener_for_the_operator_off_this_machine_takes_a_key(admin, open_to_all):
    config = parse(f"general_settings: {{admin_address: '{admin}'}}", "c.yaml", {})
    access = decide_access(config, "127.0.0.1")
    assert (access.key is None) == open_to_all
