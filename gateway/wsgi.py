"""``app`` for gunicorn: ``gunicorn -c deploy/gunicorn.conf.py gateway.wsgi:app`` with ``GATEWAY_CONFIG``."""

from gateway.serving import app_from_environment

app = app_from_environment()
