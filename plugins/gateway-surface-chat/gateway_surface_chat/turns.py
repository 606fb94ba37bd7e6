"""The messages of a chat, one by one, to the system prompt and the turns of the Messages API.

Sources: OpenAI API reference, "Chat completions" (message roles); Messages API reference, "Messages" and tool results.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway_surface_chat.assistant import spoken
from gateway_surface_chat.names import fitting
from gateway_surface_chat.parts import blocks, marked
from gateway_surface_chat.shape import Block, as_name, as_object, as_text, is_blank, wrong

Message = dict[str, Any]


@dataclass(slots=True)
class Turn:
    """One turn under way.

    Attributes:
        role: whose it is.
        results: results of tool calls; hosts want them before anything else in the turn after the calls.
        said: everything else.
        plain: it is one string of text, and may stay one.
    """

    role: str
    results: list[Block] = field(default_factory=list)
    said: list[Block] = field(default_factory=list)
    plain: bool = False

    def as_message(self) -> Message:
        """The turn as the Messages API has it."""
        content = [*self.results, *self.said]
        return {"role": self.role, "content": content[0]["text"] if self.plain and len(content) == 1 else content}


class Conversation:
    """Takes messages in order."""

    def __init__(self) -> None:
        self._system: list[Turn] = []
        self._turns: list[Turn] = []
        self._functions = 0  # calls of the older, nameless form so far
        self._roles: Mapping[str, Callable[[Message, str], None]] = {
            "system": self._instruct,
            "developer": self._instruct,
            "user": self._ask,
            "assistant": self._answer,
            "tool": self._report,
            "function": self._report_function,
        }

    @property
    def system(self) -> list[Block] | str:
        """What leading system and developer messages say; plain text stays a plain string."""
        if len(self._system) == 1:
            content: list[Block] | str = self._system[0].as_message()["content"]
            return content
        return [block for turn in self._system for block in turn.said]

    @property
    def turns(self) -> list[Message]:
        """Everything after them."""
        return [turn.as_message() for turn in self._turns]

    def add(self, value: Any, path: str) -> None:
        """Take in the next message."""
        message = as_object(value, path)
        role = as_text(message.get("role"), f"{path}.role")
        take = self._roles.get(role)
        if take is None:
            raise wrong(f"{path}.role", f"has to be one of {', '.join(self._roles)}.")
        take(message, path)

    def _instruct(self, message: Message, path: str) -> None:
        self._append(self._turns or self._system, _heard("system", message, path))

    def _ask(self, message: Message, path: str) -> None:
        turn = _heard("user", message, path)
        if self._turns and self._turns[-1].results:
            self._turns[-1].said += turn.said
        else:
            self._append(self._turns, turn)

    def _answer(self, message: Message, path: str) -> None:
        self._functions += message.get("function_call") is not None
        said = marked(spoken(message, path, self._function_id), message.get("cache_control"))
        self._append(self._turns, Turn("assistant", [], said, _is_plain(message, said)))

    def _report(self, message: Message, path: str) -> None:
        self._add_result(message, path, as_name(message.get("tool_call_id"), f"{path}.tool_call_id"))

    def _report_function(self, message: Message, path: str) -> None:
        if not self._functions:
            raise wrong(f"{path}.role", "'function' has to follow an assistant message with a function_call.")
        self._add_result(message, path, self._function_id)

    def _add_result(self, message: Message, path: str, call_id: str) -> None:
        result = _result(message, path, fitting(call_id))
        if not self._turns or self._turns[-1].role != "user":
            self._turns.append(Turn("user"))
        self._turns[-1].results.append(result)

    def _append(self, turns: list[Turn], turn: Turn) -> None:
        """Hosts refuse empty turns and merge neighbours of one role, so an empty one can go."""
        if turn.said:
            turns.append(turn)

    @property
    def _function_id(self) -> str:
        return f"function_call_{self._functions}"


def _heard(role: str, message: Message, path: str) -> Turn:
    said = marked(blocks(message.get("content"), f"{path}.content"), message.get("cache_control"))
    return Turn(role, [], said, _is_plain(message, said))


def _is_plain(message: Message, said: list[Block]) -> bool:
    return isinstance(message.get("content"), str) and len(said) == 1 and said[0].keys() == {"type", "text"}


def _result(message: Message, path: str, call_id: str) -> Block:
    result: Block = {"type": "tool_result", "tool_use_id": call_id}
    content = message.get("content")
    if isinstance(content, str):
        result |= {} if is_blank(content) else {"content": content}
    elif content is not None and (said := blocks(content, f"{path}.content")):
        result["content"] = said
    return result | {name: message[name] for name in ("is_error", "cache_control") if message.get(name) is not None}
