"""Errors of the platform in front of Claude, which have a shape of their own: ``{"error": {"code", "message"}}``.

Sources: Microsoft's REST API guidelines (error responses); issue threads of LiteLLM and Claude Code on Foundry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway import strictjson

_ADDRESS = (
    "The operator has to look at this deployment's api_base: it has to be the address of a Foundry resource, with or "
    "without /anthropic at its end, and not that of a project or of another API."
)
REMEDIES: Mapping[str, str] = {
    "api_not_supported": _ADDRESS,
    "404": _ADDRESS,
    "403": "The operator has to check the role of the key or identity there, and the network rules of the resource.",
    "DeploymentNotFound": (
        "The operator has to look at this deployment's model, which is azure_ai/ and a deployment's name in Foundry."
    ),
}
"""What to do, by the platform's code, or by the status, where its words do not say."""

KINDS: Mapping[int, str] = {408: "timeout_error", 503: "overloaded_error"}
"""Kinds of the Messages API for statuses that only the platform has, or means differently."""


@dataclass(frozen=True, slots=True)
class PlatformError:
    """What the platform says.

    Attributes:
        code: a word such as ``DeploymentNotFound``, or the status as a text; may be empty.
        message: its own wording; may be empty.
    """

    code: str
    message: str

    @classmethod
    def read(cls, body: bytes) -> "PlatformError | None":
        """The platform's error in a body; None when the body is Claude's own, or nobody's that we know."""
        value = strictjson.object_or_empty(body)
        error = value.get("error")
        if value.get("type") == "error" or (isinstance(error, dict) and "type" in error and "code" not in error):
            return None
        if isinstance(error, str):
            return cls("", error)
        said = error if isinstance(error, dict) else value
        code = said.get("code", said.get("statusCode"))
        message = said.get("message")
        if not isinstance(message, str) and code is None:
            return None
        return cls("" if code is None else str(code), message if isinstance(message, str) else "")

    def told(self, status: int) -> str:
        """Its words, and ours where they leave open what to do."""
        named = f": {self.code}" if self.code and not self.code.isdigit() else ""
        words = self.message or f"The host answered with status {status}{named}."
        remedy = REMEDIES.get(self.code) or REMEDIES.get(str(status))
        return f"{words.rstrip('.')}. {remedy}" if remedy else words

    @property
    def details(self) -> dict[str, Any]:
        """Its code for machines, where it is more than the status."""
        return {"code": self.code} if self.code and not self.code.isdigit() else {}
