"""The wires: what a request of each row looks like around the same body, and what its host's words are in plain."""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from botocore.eventstream import EventStreamBuffer

DIALECT = ("anthropic-beta", "anthropic-version")
METRICS = re.compile(rb',"amazon-bedrock-invocationMetrics":\{[^}]*\}')
"""What InvokeModel adds to the last event of a stream."""

THEIRS = ["/stop_sequence", "/delta/stop_sequence", "/usage/output_tokens_details"]
"""What Converse is asked to tell of the model's own answer."""


class Sent(NamedTuple):
    """A request, as far as it speaks of what was asked: who signs it is another matter."""

    path: str
    headers: list[tuple[str, str]]
    body: Mapping[str, Any]


def seen(record):
    """What a host has received; a header that came twice is there twice."""
    headers = sorted((name.lower(), value) for name, value in record.raw_headers)
    return Sent(record.raw_path, [(name, value) for name, value in headers if name in DIALECT], record.json)


def by_path(path):
    """The Messages API at a path."""

    def sent(model, body, betas, *, stream):
        version = [("anthropic-version", "2023-06-01")]
        return Sent(path, header(betas) + version, {"model": model, **body, **({"stream": True} if stream else {})})

    return sent


def vertex(model, body, betas, *, stream):
    verb = "streamRawPredict" if stream else "rawPredict"
    path = f"/v1/projects/sim-project/locations/global/publishers/anthropic/models/{quote(model, safe='@')}:{verb}"
    version = {"anthropic_version": "vertex-2023-10-16"}
    return Sent(path, header(betas), {**body, **version, **({"stream": True} if stream else {})})


def invoke(model, body, betas, *, stream):
    path = f"/model/{quote(model, safe='')}/{'invoke-with-response-stream' if stream else 'invoke'}"
    own = {"anthropic_version": "bedrock-2023-05-31"} | ({"anthropic_beta": betas} if betas else {})
    return Sent(path, [], {**body, **own})


def converse(model, body, betas, *, stream):
    """Converse's own form, for what the grid's requests say."""
    path = f"/model/{quote(model.removeprefix('converse/'), safe='')}/{'converse-stream' if stream else 'converse'}"
    turns = [{"role": turn["role"], "content": [{"text": turn["content"]}]} for turn in body["messages"]]
    more = {"thinking": body.get("thinking"), "anthropic_beta": betas}
    said = {
        "messages": turns,
        "inferenceConfig": {"maxTokens": body["max_tokens"]},
        "outputConfig": output(body.get("output_config", {})),
        "additionalModelRequestFields": {name: value for name, value in more.items() if value},
        "additionalModelResponseFieldPaths": THEIRS,
    }
    assert body.keys() <= {"messages", "max_tokens", "thinking", "output_config"}, "the grid asks for more than is here"
    return Sent(path, [], {name: value for name, value in said.items() if value})


def output(config):
    effort = {"effort": config["effort"]} if "effort" in config else {}
    if "format" not in config:
        return effort
    schema = json.dumps(config["format"]["schema"], separators=(",", ":"))
    return {**effort, "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}}


def header(betas):
    return [("anthropic-beta", ",".join(betas))] if betas else []


WIRES = {
    "anthropic": by_path("/v1/messages"),
    "azure_ai": by_path("/anthropic/v1/messages"),
    "vertex_ai": vertex,
    "bedrock": invoke,
    "converse": converse,
}


def unframed(frames):
    """InvokeModel's stream as the API itself would send it: what is in the frames, without the host's own metrics."""
    buffer = EventStreamBuffer()
    buffer.add_data(frames)
    inner = [METRICS.sub(b"", base64.b64decode(json.loads(frame.payload)["bytes"])) for frame in buffer]
    return b"".join(b"event: %s\ndata: %s\n\n" % (json.loads(data)["type"].encode(), data) for data in inner)
