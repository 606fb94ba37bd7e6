"""A request: the body of the Messages API as the JSON of a Converse request.

Source: service model of bedrock-runtime (``ConverseRequest``).
"""

import re
from collections.abc import Sequence
from typing import Any

from gateway import strictjson
from gateway_provider_bedrock.converse_block import Names, content, system
from gateway_provider_bedrock.converse_form import Body, array, inexpressible, mapping, only, string
from gateway_provider_bedrock.converse_tool import tools

RESPONSE_FIELDS = ("/stop_sequence", "/delta/stop_sequence", "/usage/output_tokens_details")
"""What Converse shall add of the model's own answer, whole or streamed; a path that leads nowhere is ignored there."""

MOST_METADATA = 16
"""Pairs that ``requestMetadata`` may hold."""

_FIELDS = (
    "messages", "system", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "tools", "tool_choice",
    "thinking", "output_config", "metadata", "model", "stream",
)  # fmt: skip
_INFERENCE = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP"}
_ROLES = ("user", "assistant", "system")
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}", re.ASCII)


def encode(body: Body, betas: Sequence[str]) -> Body:
    """The request that Converse takes over HTTP, blobs as base64 text.

    Args:
        body: a Messages request, whose ``model`` and ``stream`` are told by the path; left unchanged, though the result
            shares its parts.
        betas: the beta tokens that go to the model.

    Raises:
        InvalidRequest: something that is malformed, or that Converse has no word for; ``param`` says where.
    """
    only(body, _FIELDS, "")
    turns = _turns(body.get("messages"))
    config, own = tools(body, used=_uses_tools(turns))
    request = {
        "messages": turns,
        "system": system(body.get("system")),
        "inferenceConfig": _inference(body),
        "toolConfig": config,
        "outputConfig": _output(body.get("output_config")),
        "requestMetadata": _metadata(body.get("metadata")),
        "additionalModelRequestFields": own | _own_fields(body, betas),
        "additionalModelResponseFieldPaths": list(RESPONSE_FIELDS),
    }
    return {name: value for name, value in request.items() if value}


def _turns(value: Any) -> list[Body]:
    """The conversation. The service wants roles to alternate; the Messages API joins turns of one role, so we do."""
    names = Names()
    turns: list[Body] = []
    for place, message in enumerate(array(value, "messages")):
        path = f"messages[{place}]"
        only(message, ("role", "content"), path)
        role = string(message.get("role"), f"{path}.role")
        if role not in _ROLES:
            raise inexpressible(f"{path}.role", "this role")
        parts = content(message.get("content"), f"{path}.content", names)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += parts
        else:
            turns.append({"role": role, "content": parts})
    return turns


def _uses_tools(turns: list[Body]) -> bool:
    return any("toolUse" in part or "toolResult" in part for turn in turns for part in turn["content"])


def _inference(body: Body) -> Body:
    if body.get("max_tokens") == 0:
        raise inexpressible("max_tokens", "0 tokens; it asks for one at least")
    config = {theirs: body[ours] for ours, theirs in _INFERENCE.items() if body.get(ours) is not None}
    if body.get("stop_sequences"):
        config["stopSequences"] = array(body["stop_sequences"], "stop_sequences")
    return config


def _output(value: Any) -> Body:
    if value is None:
        return {}
    config = only(value, ("effort", "format"), "output_config")
    output: Body = {}
    if config.get("effort") is not None:
        output["effort"] = string(config["effort"], "output_config.effort")
    if config.get("format") is not None:
        output["textFormat"] = _format(config["format"])
    return output


def _format(value: Any) -> Body:
    """The answer's form. The schema travels as JSON inside a string."""
    path = "output_config.format"
    if only(value, ("type", "schema"), path).get("type") != "json_schema":
        raise inexpressible(f"{path}.type", "a format other than json_schema")
    schema = strictjson.dumps(mapping(value.get("schema"), f"{path}.schema")).decode()
    return {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema}}}


def _metadata(value: Any) -> Body:
    """Whom the operator finds in the invocation log. No answer depends on it, so what the log cannot hold is left out.

    Some clients put JSON into the user's id, whose braces and quotes are not allowed there.
    """
    pairs = mapping(value or {}, "metadata").items()
    fitting = [(name, said) for name, said in pairs if all(map(_fits, (name, said)))]
    return dict(fitting[:MOST_METADATA])


def _fits(value: Any) -> bool:
    return isinstance(value, str) and _METADATA.fullmatch(value) is not None


def _own_fields(body: Body, betas: Sequence[str]) -> Body:
    """What the model knows and Converse passes on unread."""
    own = {name: body[name] for name in ("thinking", "top_k") if body.get(name) is not None}
    return own | ({"anthropic_beta": list(betas)} if betas else {})
