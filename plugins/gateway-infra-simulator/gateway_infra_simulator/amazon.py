"""Amazon: Bedrock and STS, which take botocore and are therefore made only when their first request comes."""

import re
from collections.abc import Callable, Collection
from functools import cached_property
from typing import TYPE_CHECKING

from gateway_infra_simulator.messages import Messages
from gateway_infra_simulator.request import Request
from gateway_infra_simulator.response import Response, json_response
from gateway_infra_simulator.wire import Endpoint, Wire

if TYPE_CHECKING:
    from gateway_infra_simulator.bedrock import Bedrock
    from gateway_infra_simulator.sigv4 import Keyring
    from gateway_infra_simulator.sts import Sts

ACCESS_KEY = "AKIASIMULATOR0000001"
SECRET_KEY = "sim-secret-key"  # noqa: S105  # a key of the simulator is no secret
"""The lasting key pair; ``sigv4.DEMO`` is the same."""

MISSING = "simulator: Bedrock takes the extra: pip install 'gateway-infra-simulator[bedrock]'"


class Amazon:
    """The two AWS wires of one simulator, and the keys that both know.

    Args:
        messages: what is said.
        keys: the bearer keys that Bedrock lets in.
    """

    def __init__(self, messages: Messages, keys: Collection[str]) -> None:
        self._messages = messages
        self._keys = keys
        self.wires: tuple[Wire, ...] = (
            _Deferred("bedrock", "POST /model/", lambda: self.bedrock),
            _Deferred("sts", "POST /$|GET /container/|(GET|PUT) /latest/", lambda: self.sts),
        )

    @cached_property
    def keyring(self) -> "Keyring":
        """The key pairs that may sign; ImportError without botocore."""
        from gateway_infra_simulator.sigv4 import Keyring  # noqa: PLC0415  # botocore is an extra

        return Keyring()

    @cached_property
    def bedrock(self) -> "Bedrock":
        """The runtime host of the models; ImportError without botocore."""
        from gateway_infra_simulator.bedrock import Bedrock  # noqa: PLC0415  # also of the extra

        return Bedrock(self._messages, self._keys, self.keyring)

    @cached_property
    def sts(self) -> "Sts":
        """The services that give out temporary keys; ImportError without botocore."""
        from gateway_infra_simulator.sts import Sts  # noqa: PLC0415  # also of the extra

        return Sts(self.keyring)


class _Deferred:
    """A wire that stands for another until a request comes that looks like one of its own."""

    def __init__(self, name: str, like: str, make: Callable[[], Wire]) -> None:
        self.name = name
        self._like = re.compile(like)
        self._make = make

    def endpoint(self, request: Request) -> Endpoint | None:
        """Who answers a request."""
        if not self._like.match(f"{request.method} {request.path}"):
            return None
        try:
            return self._make().endpoint(request)
        except ImportError:
            return _missing


def _missing(_request: Request, _request_id: str) -> Response:
    return json_response(501, {"message": MISSING})
