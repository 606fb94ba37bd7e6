"""A chat request to a Messages body: what maps, what is only a hint, and what cannot be.

Every top-level field is of one of four kinds: it has a counterpart; it is a hint that can be left out; it would change
the answer's form, which is refused; or it is no field of OpenAI's, and then it travels as it is.
Sources: OpenAI API reference, "Create chat completion"; Messages API reference; LiteLLM docs for ``extra_headers``.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway import Reading
from gateway_surface_chat.context import context_management
from gateway_surface_chat.output import JSON_PLEA, output_config, wants_json
from gateway_surface_chat.shape import Block, as_array, as_name, as_object, as_text, is_blank, wrong
from gateway_surface_chat.tools import tools_and_choice
from gateway_surface_chat.turns import Conversation
from gateway_surface_chat.unsupported import unsupported

HINTS = (
    "frequency_penalty",
    "logit_bias",
    "moderation",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "seed",
    "store",
    "verbosity",
)
"""Fields that only hint and have no counterpart."""

OWN = frozenset({
    *HINTS, "anthropic_beta", "audio", "context_management", "extra_body", "extra_headers", "function_call",
    "functions", "logprobs", "max_completion_tokens", "messages", "metadata", "modalities", "n", "output_config",
    "parallel_tool_calls", "reasoning_effort", "response_format", "service_tier", "stop", "stream_options", "system",
    "tool_choice", "tools", "top_logprobs", "user", "web_search_options",
})  # fmt: skip
"""Fields that are read here; every other one travels."""

_TIERS: Mapping[str, str] = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_PERSON = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}|\+?[\d\s().-]{7,32}")


class Request:
    """One chat request.

    Args:
        asked: the client's body; stays as it is.

    Raises:
        InvalidRequest: from ``reading``, for whatever is wrong with it.
    """

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._asked = merged(asked)
        self._ignored: dict[str, None] = {}

    def reading(self) -> Reading:
        """What the request says, in the words of the Messages API."""
        asked = self._asked
        refused = unsupported(asked)
        body = {name: value for name, value in asked.items() if name not in OWN and name not in refused}
        if "stream_options" in asked:
            as_object(asked["stream_options"], "stream_options")
        model = as_name(asked.get("model"), "model")
        body |= self._conversation() | tools_and_choice(asked) | self._limits() | self._service() | self._metadata()
        if (config := output_config(asked)) is not None:
            body["output_config"] = config
        if (management := context_management(asked.get("context_management"))) is not None:
            body["context_management"] = management
        self._ignored |= dict.fromkeys(name for name in HINTS if name in asked)
        betas = tuple(self._betas())
        return Reading(
            model=model,
            body=body,
            stream=asked.get("stream") is True,
            betas=betas,
            ignored=tuple(self._ignored),
            unsupported=refused,
        )

    def _conversation(self) -> dict[str, Any]:
        conversation = Conversation()
        for position, message in enumerate(as_array(self._asked.get("messages"), "messages")):
            conversation.add(message, f"messages[{position}]")
        if not conversation.turns:
            raise wrong("messages", "needs a message that says something and is no system message.")
        system = self._system(conversation.system)
        return {"messages": conversation.turns} | ({"system": system} if system else {})

    def _system(self, system: list[Block] | str) -> list[Block] | str:
        """The system prompt: a field of its own that the client may give, the messages, the plea for JSON."""
        parts: list[list[Block] | str] = [
            self._asked.get("system") or [],
            system,
            [JSON_PLEA] if wants_json(self._asked) else [],
        ]
        given = [part for part in parts if part]
        if len(given) == 1:
            return given[0]
        return [block for part in given for block in _as_blocks(part)]

    def _limits(self) -> dict[str, Any]:
        limits: dict[str, Any] = {}
        if "max_completion_tokens" in self._asked:
            limits["max_tokens"] = self._asked["max_completion_tokens"]
        if stops := [*self._stops()]:
            limits["stop_sequences"] = stops
        return limits

    def _stops(self) -> Iterator[str]:
        """Hosts refuse a stop sequence that is blank."""
        yield from as_array(self._asked.get("stop_sequences", []), "stop_sequences")
        stop = self._asked.get("stop", [])
        for position, text in enumerate([stop] if isinstance(stop, str) else as_array(stop, "stop")):
            if not is_blank(as_text(text, f"stop[{position}]")):
                yield text

    def _service(self) -> dict[str, Any]:
        tier = self._asked.get("service_tier")
        if tier is None:
            return {}
        if as_text(tier, "service_tier") in _TIERS:
            return {"service_tier": _TIERS[tier]}
        self._ignored["service_tier"] = None
        return {}

    def _metadata(self) -> dict[str, Any]:
        """Anthropic's ``metadata`` holds a user id and nothing else; OpenAI's holds the client's own notes."""
        metadata = self._asked.get("metadata")
        if isinstance(metadata, dict) and metadata.keys() == {"user_id"}:
            return {"metadata": metadata}
        if metadata is not None:
            self._ignored["metadata"] = None
        user = self._asked.get("user")
        if user is None:
            return {}
        if as_text(user, "user") and not _PERSON.fullmatch(user):
            return {"metadata": {"user_id": user}}
        self._ignored["user"] = None
        return {}

    def _betas(self) -> Iterator[str]:
        """Beta tokens that stand in the body, for clients that cannot set a header."""
        for path, value in self._beta_fields():
            listed = value.split(",") if isinstance(value, str) else as_array(value, path)
            for token in listed:
                if not _TOKEN.fullmatch(as_text(token, path).strip()):
                    raise wrong(path, "has to hold beta tokens, as a list or separated by commas.")
                yield token.strip()

    def _beta_fields(self) -> Iterator[tuple[str, Any]]:
        if "anthropic_beta" in self._asked:
            yield "anthropic_beta", self._asked["anthropic_beta"]
        for name, value in as_object(self._asked.get("extra_headers", {}), "extra_headers").items():
            if name.lower() == "anthropic-beta":
                yield "extra_headers.anthropic-beta", value
            else:
                self._ignored["extra_headers"] = None


def merged(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The body with ``extra_body`` unpacked into it; null is OpenAI's word for absent.

    Raises:
        InvalidRequest: ``extra_body`` is no object, or hides what has to stand at the top.
    """
    extra = as_object(asked.get("extra_body") or {}, "extra_body")
    if extra.get("reasoning_effort") is not None:
        raise wrong("extra_body.reasoning_effort", "has to stand at the top level of the body.")
    return {name: value for name, value in {**asked, **extra}.items() if value is not None and name != "extra_body"}


def _as_blocks(system: list[Block] | str) -> list[Block]:
    return [{"type": "text", "text": system}] if isinstance(system, str) else as_array(system, "system")
