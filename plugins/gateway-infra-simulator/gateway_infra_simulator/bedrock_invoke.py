"""InvokeModel: the body that Bedrock accepts, which is less than the API's own, and the voice that it answers in."""

import base64
from typing import Any

from gateway_infra_simulator import bedrock_fault, eventstream, shape
from gateway_infra_simulator.bedrock_fault import FaultError, invalid
from gateway_infra_simulator.bedrock_model import Target
from gateway_infra_simulator.flow import COMMENT, Event
from gateway_infra_simulator.lack import Lacks
from gateway_infra_simulator.manner import Manner
from gateway_infra_simulator.refusal import RefusalError
from gateway_infra_simulator.response import Headers, Piece, Response, compact
from gateway_infra_simulator.voice import Voice

Body = dict[str, Any]

VERSION = "bedrock-2023-05-31"
NEWER = "2026-10-21"
"""Accepted too where the model's id carries no version."""

KEYS = (
    "anthropic_beta",
    "anthropic_version",
    "context_management",
    "max_tokens",
    "messages",
    "metadata",
    "output_config",
    "safeguards",
    "stop_sequences",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
)
"""All that a body may hold at the top."""

BETAS = frozenset(
    {
        "compact-2026-01-12",
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-1m-2025-08-07",
        "context-management-2025-06-27",
        "dangerous-tool-use-2026-09-03",
        "dev-full-thinking-2025-05-14",
        "effort-2025-11-24",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "mid-conversation-output-config-2026-07-01",
        "mid-conversation-tool-changes-2026-07-01",
        "output-128k-2025-02-19",
        "per-turn-control-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "thinking-display-updates-2026-08-18",
        "token-efficient-tools-2025-02-19",
        "tool-examples-2025-10-29",
        "tool-search-tool-2025-10-19",
    }
)
"""The betas that the host knows; others are refused."""

LATENCY = 7
"""Milliseconds that every call is said to have taken."""

LACKS = Lacks(
    tools=(
        "advisor_",
        "code_execution",
        "mcp_toolset",
        "tool_search_tool_bm25",
        "tool_search_tool_regex_",
        "web_fetch",
        "web_search",
    ),
    sources=("url", "file"),
)
"""What is absent below the top; Converse lacks it too."""

_UNSAID = {"inference_geo": ("global", "not_available", None), "speed": ("standard",), "service_tier": ("standard",)}
"""Usage that this host does not state, unless a script has it say something else."""


def read(body: Body, target: Target, *, stream: bool) -> tuple[Body, str, frozenset[str]]:
    """The body in the API's own form, its version and its betas; RefusalError for what the host does not take."""
    shape.only("", body, KEYS)
    version = _version(body, target)
    tokens = beta_tokens(body.get("anthropic_beta", []), BETAS)
    bare = {key: value for key, value in body.items() if key not in ("anthropic_version", "anthropic_beta")}
    return bare | {"model": target.model, "stream": stream}, version, tokens


def beta_tokens(value: object, known: frozenset[str]) -> frozenset[str]:
    """The betas of a body's list."""
    tokens = frozenset(shape.string("anthropic_beta", token) for token in shape.listing("anthropic_beta", value))
    if tokens - known:
        raise invalid("invalid beta flag")
    return tokens


def _version(body: Body, target: Target) -> str:
    allowed = (VERSION,) if target.versioned else (VERSION, NEWER)
    version = shape.choice("anthropic_version", shape.need("", body, "anthropic_version"), allowed)
    return NEWER if version == NEWER else "2023-06-01"


# ---------------------------------------------------------------------------------------------------------- the answer


class BedrockVoice(Voice):
    """How Bedrock words what is no message: faults and errors."""

    message_id = "msg_bdrk"
    content_type = eventstream.CONTENT_TYPE

    def identity(self, request_id: str) -> Headers:
        """The request id in AWS's header."""
        return bedrock_fault.identity(request_id)

    def error(self, status: int, error: Body, request_id: str, headers: Headers = ()) -> Response:
        """An exception of Bedrock."""
        return bedrock_fault.error_response(status, error, (*self.identity(request_id), *headers))

    def refuse(self, refusal: RefusalError, request_id: str) -> Response:
        """AWS's own refusal, or the model's in AWS's shape."""
        if isinstance(refusal, FaultError):
            return bedrock_fault.fault_response(refusal, request_id)
        return self.error(refusal.status, refusal.error, request_id)


class InvokeVoice(BedrockVoice):
    """How InvokeModel answers: the API's own JSON and events, the latter in frames."""

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream

    def quota(self, usage: Body, /) -> Headers:
        """The counts of tokens beside a JSON answer, the type of what is in the frames beside a stream."""
        if self._stream:
            return (("x-amzn-bedrock-content-type", "application/json"),)
        return (
            ("x-amzn-bedrock-input-token-count", str(usage.get("input_tokens") or 0)),
            ("x-amzn-bedrock-output-token-count", str(usage.get("output_tokens") or 0)),
            ("x-amzn-bedrock-cache-read-input-token-count", str(usage.get("cache_read_input_tokens") or 0)),
            ("x-amzn-bedrock-cache-write-input-token-count", str(usage.get("cache_creation_input_tokens") or 0)),
            ("x-amzn-bedrock-invocation-latency", str(LATENCY)),
        )

    def whole(self, message: Body) -> Any:
        """The message, without the usage that Bedrock does not state."""
        return message | {"usage": _stated(message["usage"])}

    def pieces(self, stream: list[Event], manner: Manner) -> tuple[Piece, ...]:  # noqa: ARG002  # frames have no lines
        """A frame for each event; the last one carries the metrics."""
        usage: Body = {}
        pieces = []
        for event in stream:
            usage |= event.data.get("message", event.data).get("usage") or {}
            if event.name != COMMENT:
                pieces.append(Piece(_frame(event, usage), event))
        return tuple(pieces)


def _frame(event: Event, usage: Body) -> bytes:
    if event.name == "error":
        error = event.data["error"]
        name = bedrock_fault.frame_name(error["type"])
        return eventstream.exception(name, bedrock_fault.payload(name, error))
    data = _events_own(event, usage)
    return eventstream.event("chunk", {"bytes": base64.b64encode(compact(data).encode()).decode()})


def _events_own(event: Event, usage: Body) -> Body:
    if event.name == "message_start":
        message = event.data["message"]
        return event.data | {"message": message | {"usage": _stated(message["usage"])}}
    if event.name == "message_stop":
        return event.data | {"amazon-bedrock-invocationMetrics": _metrics(usage)}
    return event.data


def _stated(usage: Body) -> Body:
    return {key: value for key, value in usage.items() if key not in _UNSAID or value not in _UNSAID[key]}


def _metrics(usage: Body) -> Body:
    return {
        "inputTokenCount": usage.get("input_tokens") or 0,
        "outputTokenCount": usage.get("output_tokens") or 0,
        "invocationLatency": LATENCY,
        "firstByteLatency": LATENCY - 1,
        "cacheReadInputTokenCount": usage.get("cache_read_input_tokens") or 0,
        "cacheWriteInputTokenCount": usage.get("cache_creation_input_tokens") or 0,
    }
