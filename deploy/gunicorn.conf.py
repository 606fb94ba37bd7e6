# ruff: noqa: INP001 - a configuration that gunicorn reads, no module
"""gunicorn behind nginx: ``GATEWAY_CONFIG=config.yaml gunicorn -c deploy/gunicorn.conf.py gateway.wsgi:app``.

gunicorn is no edge. A client that sends half a request holds one of its threads for as long as he likes, and a handful
of such clients stop it. So it listens where only nginx can reach it, and nginx hands over whole requests.

Environment: GATEWAY_BIND, WEB_CONCURRENCY, GATEWAY_THREADS, GATEWAY_GRACEFUL_TIMEOUT.
"""

import os
import signal
from typing import Any

from gunicorn import systemd
from gunicorn.workers.sync import SyncWorker

from gateway.serving import begin_work

# Where nginx finds us. "unix:/run/gateway/gateway.sock" is better still, because then no TCP port leads here at all;
# several addresses stand with commas between them. nginx.conf has to name the same.
bind = (os.environ.get("GATEWAY_BIND") or "127.0.0.1:4000").split(",")

# A running answer holds a thread until its last byte, so workers x threads is how many there can be at once. A thread
# that waits costs some 50 KB and no CPU; workers are for the cores.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = int(os.environ.get("GATEWAY_THREADS", "64"))

# Connections of a worker: one for each thread, and room for all that nginx keeps idle (its worker_processes x
# keepalive, 4), twice over. With less, idle connections can keep new ones out until nginx lets go of them. With more, a
# full worker goes on accepting, and what it accepts waits for one of its own answers, though another worker be idle.
worker_connections = threads + 8

# The configuration, the catalog and every plugin are read once, before the fork: a mistake in them stops the start
# instead of a worker, and the workers share the memory.
preload_app = True

# How long an idle connection from nginx stays open. Longer than nginx keeps it (nginx.conf: upstream, 60 s), so that
# it is always nginx who closes; the other way round a request can meet a closing door, and that is a 502.
keepalive = 75

# A worker whose main thread gives no sign of life for so long is killed. That thread never waits for a host, so long
# streams do not count against it.
timeout = 120

# How long running answers may go on after SIGTERM. Whatever is cut here was paid for and is lost to the client, so it
# is the longest call (router_settings.timeout, 3600 s) and a bit; the process is gone as soon as the last answer is.
# Stop with SIGTERM only: on SIGINT and SIGQUIT a busy worker can lock itself up, and is waited for all this time.
graceful_timeout = int(os.environ.get("GATEWAY_GRACEFUL_TIMEOUT", "3660"))

# No max_requests: recycling a worker is a SIGTERM to its streams.
max_requests = 0

# Heartbeats are written to a file, and a slow disk must not look like a dead worker.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108 - shared memory, 0600 inside

# gunicorn's remote control; nobody here uses it, and it would open a socket in the home directory.
control_socket_disable = True

# The limits of nginx.conf once more, for whoever comes past it. More than this is 431 or 414.
limit_request_line = 8190
limit_request_field_size = 8190
limit_request_fields = 100

# Only nginx may say that the client used https; over a unix socket that is anybody who may connect. No header may
# change where the application thinks it is mounted.
forwarded_allow_ips = "127.0.0.1,::1"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
forwarder_headers = ""
header_map = "drop"

# Access to stdout, errors to stderr. A path without its query, and no header but our own call id: both may hold keys.
accesslog = "-"
errorlog = "-"
access_log_format = '%(t)s %(h)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms call=%({gateway-call-id}o)s'


post_worker_init = begin_work
"""What still runs five seconds before graceful_timeout ends is cut off with an error, and settled. And what a process
that died left unsettled is found and written down.
"""


def on_starting(server: Any) -> None:
    """Refuse the worker that cannot stream; gunicorn takes it whenever threads is 1."""
    if issubclass(server.worker_class, SyncWorker):
        raise RuntimeError(  # noqa: TRY004 - this is the one that gunicorn prints without a trace
            "the sync worker cuts every answer that takes longer than `timeout`; use -k gthread, or more than 1 thread."
        )


def when_ready(server: Any) -> None:
    """The second half of a restart that loses nothing.

    ``kill -USR2`` starts a new master beside the old one, on the same socket. Now that it is up, the old one may end
    its answers and go; and systemd has to know which of the two counts.
    """
    if server.master_pid:
        systemd.sd_notify(f"MAINPID={server.pid}", server.log)
        os.kill(server.master_pid, signal.SIGTERM)
