"""From a configuration to a listening server: which key, which address, and gunicorn around the app."""

import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from gateway import config as configuration
from gateway.app import Parts, create_app
from gateway.auth import SAMPLE_KEYS, generate_key
from gateway.config import CONFIG_VARIABLE, Config
from gateway.errors import ConfigError
from gateway.secret import Secret

log = logging.getLogger(__name__)

NO_AUTH_VARIABLE = "GATEWAY_NO_AUTH"
KEY_VARIABLE = "GATEWAY_MASTER_KEY"


@dataclass(frozen=True)
class Access:
    """Who gets in.

    Attributes:
        key: the operator's key; None lets everybody in.
        generated: nobody chose the key, so it has to be shown.
        warning: what the operator has to know.
    """

    key: Secret | None
    generated: bool = False
    warning: str = ""


def decide_access(config: Config, host: str | None, *, no_auth: bool = False) -> Access:
    """Which key guards an address.

    Without a key the gateway is open on loopback and makes itself a key anywhere else.

    Args:
        config: the configuration, with its key or without.
        host: the address to listen on; None when it is not known and has to count as public.
        no_auth: the operator wants it open.

    Raises:
        ConfigError: a key that everybody knows, off loopback.
    """
    admin = (
        config.admin_address if config.admin_address.startswith("unix:") else config.admin_address.rpartition(":")[0]
    )
    local = host is not None and is_loopback(host) and (not admin or is_loopback(admin))
    key = config.master_key
    if key is not None:
        if key.reveal() in SAMPLE_KEYS and not local:
            raise ConfigError("master_key: this key stands in public documentation; choose your own.")
        return Access(key)
    if no_auth or local:
        whom = "everybody who can reach this address" if not local else "everybody on this machine"
        return Access(None, warning=f"No master key is set: {whom} can spend with your credentials.")
    return Access(generate_key(), generated=True, warning="No master key is set; this one was made for this run.")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost" or host.startswith("unix:"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def app_from_environment(environ: Mapping[str, str] = os.environ) -> Flask:
    """The application that ``GATEWAY_CONFIG`` describes, for a gunicorn that somebody else runs.

    gunicorn does not tell where it listens, so a missing key is treated as for a public address.
    """
    path = environ.get(CONFIG_VARIABLE)
    if not path:
        raise ConfigError(f"{CONFIG_VARIABLE} is not set; it names the configuration file.")
    config = configuration.load(path, environ)
    no_auth = environ.get(NO_AUTH_VARIABLE) == "1"
    access = decide_access(config, None, no_auth=no_auth)
    app = create_app(config, master_key=access.key, anywhere=no_auth)
    for warning in (access.warning, *app.extensions["gateway"].warnings):
        if warning:
            log.warning("%s", warning)
    if access.generated and access.key is not None:
        print(f"{KEY_VARIABLE}={access.key.reveal()}", file=sys.stderr, flush=True)  # noqa: T201 - the only way to know it
    return app


GRACE = 30
"""Seconds that a stopping worker gives its calls."""

LAST_SECONDS = 5
"""Of these, seconds that are kept for settling what is cut off."""


def end_in_time(worker: Any) -> None:
    """Have a worker's stop signal end its calls in time to settle them.

    gunicorn gives threads ``graceful_timeout`` seconds and then leaves without a word to them.
    """
    grace = max(worker.cfg.graceful_timeout - LAST_SECONDS, 0)
    drain = parts_of(worker.wsgi).drain
    stop = signal.getsignal(signal.SIGTERM)

    def begin(number: int, frame: Any) -> None:
        drain.begin(grace)
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, begin)


def begin_work(worker: Any) -> None:
    """What every worker does before its first request; a ``post_worker_init`` hook of gunicorn."""
    end_in_time(worker)
    parts_of(worker.wsgi).recovery.start()


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """gunicorn with our settings; the app is loaded before the workers fork."""

    def __init__(self, app: Flask, options: Mapping[str, Any]) -> None:
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings on."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The app."""
        return self._app


def server_options(host: str, port: int, workers: int, threads: int, admin: str = "") -> dict[str, Any]:
    """Settings for gunicorn. Streams hold a thread each, so threads are what counts."""
    bind = f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
    return {
        "bind": [bind, admin] if admin else [bind],
        "workers": workers,
        "worker_class": "gthread",
        "threads": threads,
        "worker_connections": max(threads * 2, 1000),
        "preload_app": True,
        "keepalive": 30,
        "timeout": 120,
        "graceful_timeout": GRACE,
        "post_worker_init": begin_work,
        "control_socket_disable": True,
        "accesslog": None,
        "loglevel": "warning",
    }


def check_free(host: str, port: int) -> None:
    """Raise ConfigError unless the port can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            raise ConfigError(
                f"port {port} on {host} cannot be used ({error.strerror}); choose another with --port or PORT."
            ) from None


def parts_of(app: Flask) -> Parts:
    """What startup made."""
    parts: Parts = app.extensions["gateway"]
    return parts
