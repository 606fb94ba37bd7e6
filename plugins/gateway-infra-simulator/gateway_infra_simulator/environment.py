"""The environment: the variables by which a program reaches the simulator in place of each host."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gateway_infra_simulator.amazon import ACCESS_KEY, SECRET_KEY
from gateway_infra_simulator.simulator import Simulator

REAL = (
    "ANTHROPIC_AUTH_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "MSI_SECRET",
)
"""Variables that lead to credentials of the user; none of them may be mixed with the simulator's."""

DEFAULTS = {"AWS_REGION": "us-east-1", "VERTEX_LOCATION": "global"}
"""What is set only where the user has not."""


def variables(url: str, key: str, project: str) -> dict[str, str]:
    """What leads to the simulator, without Google's credentials, which are a file."""
    return {
        "ANTHROPIC_API_KEY": key,
        "ANTHROPIC_API_BASE": url,
        "AZURE_AI_API_KEY": key,
        "AZURE_AI_API_BASE": url,
        "VERTEX_PROJECT": project,
        "VERTEX_API_BASE": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
        "AWS_BEDROCK_RUNTIME_ENDPOINT": url,
        "AWS_ENDPOINT_URL_STS": url,
    }


def simulated(user: Mapping[str, str], simulator: Simulator, key: str, credentials: str) -> dict[str, str]:
    """The user's environment with the simulator in place of every host.

    ``credentials`` is the path of Google's file. If it is empty, a file that holds nothing takes its place, so that
    nobody falls back to the user's own.
    """
    kept = {name: value for name, value in user.items() if name not in REAL}
    google = {"GOOGLE_APPLICATION_CREDENTIALS": credentials or os.devnull}
    return DEFAULTS | kept | variables(simulator.url, key, simulator.project) | google


@contextmanager
def credentials_file(simulator: Simulator) -> Iterator[str]:
    """The path of the service-account file, which nobody else may read and which is removed at the end.

    Empty where the extra is missing that makes its key.
    """
    try:
        described = simulator.service_account
    except RuntimeError:
        yield ""
        return
    descriptor, path = tempfile.mkstemp(prefix="gateway-simulator-", suffix=".json")  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(described, file)
        yield path
    finally:
        Path(path).unlink(missing_ok=True)
