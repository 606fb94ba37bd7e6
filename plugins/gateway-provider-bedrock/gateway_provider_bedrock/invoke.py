"""InvokeModel: the Messages JSON in AWS's envelope. Nothing of it is translated, so nothing is lost. Pure.

Source: botocore service model ``bedrock-runtime``; AWS Bedrock user guide, "Anthropic Claude Messages API".
"""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway import Event, Garbled, strictjson
from gateway_provider_bedrock import fault
from gateway_provider_bedrock.frames import Frame

VERSION = "bedrock-2023-05-31"
"""The word that this host takes for the API's version; the newer date is refused for models with versioned ids."""

OWN = "amazon-bedrock-"
"""How the names of facts begin that the host adds to the model's answer; they are no part of the Messages API."""


def encode(body: Mapping[str, Any], betas: Sequence[str]) -> dict[str, Any]:
    """The body of a request: model and stream are told by the path, betas by a list."""
    kept = {name: value for name, value in body.items() if name not in ("model", "stream")}
    return {"anthropic_version": VERSION, **kept, **({"anthropic_beta": [*betas]} if betas else {})}


def encode_count(body: Mapping[str, Any], betas: Sequence[str]) -> dict[str, Any]:
    """What ``CountTokens`` counts; it wants ``max_tokens``, which takes no part in the count."""
    thinking = body.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    least = budget + 1 if isinstance(budget, int) else 1
    whole = strictjson.dumps(encode({"max_tokens": least, **body}, betas))
    return {"invokeModel": {"body": base64.b64encode(whole).decode()}}


def events(bursts: Iterable[Iterable[Frame]]) -> Iterator[list[Event]]:
    """The model's own events, out of the frames around them.

    Raises:
        Garbled: a frame without an event in it.
    """
    for burst in bursts:
        found = [_event(frame) for frame in burst if frame.failed or frame.name == "chunk"]
        if found:
            yield found


def plain(event: Event) -> Event:
    """The event without what the host adds; the very same one when it added nothing."""
    if OWN.encode() not in event.data:
        return event
    value = event.json()
    kept = {name: inner for name, inner in value.items() if not name.startswith(OWN)} if isinstance(value, dict) else {}
    return Event(event.name, strictjson.dumps_lenient(kept)) if kept and len(kept) < len(value) else event


def _event(frame: Frame) -> Event:
    if frame.failed:
        return fault.event(frame.name, frame.payload)
    try:
        event = Event("", base64.b64decode(frame.payload["bytes"], validate=True))
        event.name = str(event.json()["type"])
    except (KeyError, TypeError, ValueError, IndexError):
        raise Garbled("The host sent a frame without an event of the model.") from None
    return plain(event)
