"""Rules of Converse: what AWS asks of a request beyond its shape, before the model sees it."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from gateway_infra_simulator.bedrock_fault import invalid

Body = dict[str, Any]

MAX_DOCUMENTS = 5
MAX_IMAGES = 20

_NAME = re.compile(r"(?:[A-Za-z0-9\-()\[\]]|\s(?!\s))+")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])+)+")
_UNSUPPORTED = ("video", "audio", "toolAddition", "toolRemoval")


def check(body: Body) -> None:
    """Refuse what AWS refuses."""
    for rule in RULES:
        rule(body)


def _roles(body: Body) -> None:
    roles = [message["role"] for message in body.get("messages", ()) if message["role"] != "system"]
    if not roles or roles[0] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    if any(one == other for one, other in pairwise(roles)):
        raise invalid(
            "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
            "between user and assistant roles and try again."
        )


def _content(body: Body) -> None:
    for at, message in enumerate(body["messages"]):
        path = f"messages.{at}.content"
        if not message["content"]:
            raise invalid(f"The content field in the Message object at messages.{at} is empty. Add a ContentBlock.")
        for index, block in enumerate(message["content"]):
            _block(f"{path}.{index}", block, message["role"])
        _points(path, message["content"])
    _points("system", body.get("system", []))
    _points("toolConfig.tools", body.get("toolConfig", {}).get("tools", []))


def _block(path: str, block: Body, role: str) -> None:
    kind, value = next(iter(block.items()))
    if kind in _UNSUPPORTED:
        raise invalid(f"This model doesn't support the {kind} content block. Remove {path}.{kind} and try again.")
    if kind == "text" and not value.strip():
        raise invalid(
            f"The text field in the ContentBlock object at {path} is blank. Add text to the text field, and try again."
        )
    if kind in ("image", "document") and role != "user":
        raise invalid(f"The {kind} field at {path} can only be included if the role is user.")
    if "s3Location" in (value.get("source", {}) if kind in ("image", "document") else {}):
        raise invalid(f"simulator: there is no object store behind {path}.{kind}.source.s3Location")


def _points(path: str, blocks: list[Body]) -> None:
    for index, block in enumerate(blocks):
        before = blocks[index - 1] if index else {"cachePoint": {}}
        if "cachePoint" in block and "cachePoint" in before:
            raise invalid(f"There is nothing available to cache at {path}.{index}.cachePoint.")
        if "cachePoint" in block and "reasoningContent" in before:
            raise invalid(
                "Cache point cannot be inserted after reasoning block. Please remove the invalid cache point and try "
                "again."
            )


def _media(body: Body) -> None:
    for at, message in enumerate(body["messages"]):
        kinds = [kind for block in message["content"] for kind in block]
        if kinds.count("document") > MAX_DOCUMENTS or kinds.count("image") > MAX_IMAGES:
            raise invalid(f"messages.{at}.content holds more than {MAX_DOCUMENTS} documents or {MAX_IMAGES} images.")
        if "document" in kinds and "text" not in kinds:
            raise invalid(
                f"The document at messages.{at}.content needs a ContentBlock with a text field in the same message."
            )


def _documents(body: Body) -> None:
    names = [document["name"] for message in body["messages"] for document in _held(message["content"])]
    for name in names:
        if not _NAME.fullmatch(name):
            raise invalid(
                "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, "
                "parentheses, and square brackets. The name can't contain more than one consecutive whitespace "
                "character."
            )
    if len(set(names)) < len(names):
        raise invalid("The document file names must be unique. Rename the documents and try again.")


def _held(blocks: list[Body]) -> list[Body]:
    results = [inner for block in blocks if "toolResult" in block for inner in block["toolResult"]["content"]]
    return [block["document"] for block in (*blocks, *results) if "document" in block]


def _tools(body: Body) -> None:
    used = any("toolUse" in block or "toolResult" in block for one in body["messages"] for block in one["content"])
    if used and "toolConfig" not in body:
        raise invalid("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    for index, tool in enumerate(body.get("toolConfig", {}).get("tools", ())):
        if "systemTool" in tool:
            raise invalid(f"This model doesn't support systemTool. Remove toolConfig.tools.{index} and try again.")


def _paths(body: Body) -> None:
    for path in body.get("additionalModelResponseFieldPaths", ()):
        if not _POINTER.fullmatch(path):
            raise invalid(f"additionalModelResponseFieldPaths: '{path}' is not a JSON Pointer")


RULES: tuple[Callable[[Body], None], ...] = (_roles, _content, _media, _documents, _tools, _paths)
"""In the order in which they are asked."""
