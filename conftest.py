"""The whole tree tests with the tools that plugin authors get, and with no way out of this machine."""

import pytest
from pytest_socket import socket_allow_hosts

pytest_plugins = ["gateway.testing"]


@pytest.fixture(autouse=True)
def _loopback_only() -> None:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
