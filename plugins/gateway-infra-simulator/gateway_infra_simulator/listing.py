"""The listing: ``/v1/models`` and ``/v1/models/{id}``."""

from typing import Any

from gateway_infra_simulator.model import ERA, Model, find, models
from gateway_infra_simulator.refusal import bad

Body = dict[str, Any]

DEFAULT_LIMIT = 20
MAX_LIMIT = 1000

_THINKING = ("adaptive", "between_tools", "disabled", "enabled")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def page(arguments: dict[str, str], era: str = ERA) -> Body:
    """One page of the models, newest first."""
    shown = list(models(era))
    ids = [model.id for model in shown]
    if "after_id" in arguments:
        shown = shown[_position(ids, arguments["after_id"]) + 1 :]
    if "before_id" in arguments:
        shown = shown[: _position(ids, arguments["before_id"])]
    data = [described(model) for model in shown[: _limit(arguments)]]
    return {
        "data": data,
        "has_more": len(data) < len(shown),
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def one(name: str, era: str = ERA) -> Body:
    """One model by id or alias."""
    return described(find(name, era))


def described(model: Model) -> Body:
    """A model as the API describes it."""
    return {
        "id": model.id,
        "type": "model",
        "display_name": model.name,
        "created_at": model.created,
        "max_input_tokens": model.context,
        "max_tokens": model.output,
        "capabilities": _capabilities(model),
        "lifecycle": "active",
        "line": model.line,
        "deprecated_at": None,
        "retires_at": None,
    }


def _limit(arguments: dict[str, str]) -> int:
    text = arguments.get("limit", str(DEFAULT_LIMIT))
    if not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise bad("limit", f"Input should be between 1 and {MAX_LIMIT}")
    return int(text)


def _position(ids: list[str], wanted: str) -> int:
    if wanted not in ids:
        raise bad("after_id", f"no model {wanted}")
    return ids.index(wanted)


def _capabilities(model: Model) -> Body:
    # What the table does not tell apart, every model is said to have.
    always = ("batch", "citations", "code_execution", "image_input", "pdf_input", "structured_outputs")
    return {name: _supported() for name in always} | {
        "context_management": _supported()
        | {
            "clear_thinking_20251015": _supported(),
            "clear_tool_uses_20250919": _supported(),
            "compact_20260112": _supported(model.compaction),
        },
        "effort": _supported(bool(model.efforts)) | {level: _supported(level in model.efforts) for level in _EFFORTS},
        "server_tools": _supported() | {"code_execution": _supported(), "web_search": _supported()},
        "thinking": _supported(model.thinking != ("disabled",))
        | {"types": {kind: _supported(kind in model.thinking) for kind in _THINKING}},
    }


def _supported(supported: bool = True) -> Body:
    return {"supported": supported}
