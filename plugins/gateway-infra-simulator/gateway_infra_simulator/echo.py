"""The echo: the answer that is given when no script says otherwise. It says plainly that it is simulated."""

import json
import re
from dataclasses import replace
from typing import Any

from gateway_infra_simulator import compaction
from gateway_infra_simulator.answer import Answer, Stop
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.block import Block
from gateway_infra_simulator.prompt import without_size
from gateway_infra_simulator.schema import sample
from gateway_infra_simulator.usage import output_tokens

QUOTED = 400
"""How many characters of the last turn are repeated."""

THOUGHT = "[simulated] The simulator thinks of nothing in particular."

THOUGHTS = {
    "low": "",
    "medium": "[simulated] Hm.",
    "high": THOUGHT,
    "xhigh": " ".join([THOUGHT] * 2),
    "max": " ".join([THOUGHT] * 3),
}
"""What is thought at each level of effort."""

Tool = dict[str, Any]


def echo(ask: Ask) -> Answer:
    """The default answer, after a summary if one is due."""
    due = compaction.due(ask)
    if due and due.pause:
        return Answer.compaction(due.summary, pause=True)
    answer = _answer(ask).with_passes() if compaction.listed(ask) else _answer(ask)
    return Answer.compaction(due.summary) + answer if due else answer


def _answer(ask: Ask) -> Answer:
    """A tool call if one is due, else a text; cut where the request says so."""
    budget = ask.body["max_tokens"]
    thought = Answer.of(*_thought(ask))
    if output_tokens(thought.blocks) >= budget:
        return _spent(thought, budget)
    tool = _due(ask)
    said = _call(ask, tool) if tool else _stopped(ask, Answer.text(_text(ask)))
    whole = thought + said
    if output_tokens(whole.blocks) <= budget:
        return whole
    room = budget - output_tokens(thought.blocks)
    return thought + _shortened(said, room)


def _thought(ask: Ask) -> list[Block]:
    thought = THOUGHTS[ask.effort or "high"]
    if ask.thinking == "enabled":  # only adaptive thinking may think nothing
        thought = thought or THOUGHTS["medium"]
    if not ask.thinks or not thought or not ask.body["max_tokens"]:
        return []
    display = ask.body["thinking"].get("display") or ask.model.display
    return [Block.thinking(thought, display=display)]


def _spent(thought: Answer, budget: int) -> Answer:
    return replace(thought, stop=Stop("max_tokens")).with_usage(output_tokens=budget)


def _shortened(said: Answer, room: int) -> Answer:
    if said.blocks[0].kind != "text":
        return Answer(stop=Stop("max_tokens"))
    text = said.blocks[0].folded["text"].encode("utf-8")[: room * 4].decode("utf-8", "ignore")
    return Answer.text(text).with_stop("max_tokens")


# --------------------------------------------------------------------------------------------------------------- text


def _text(ask: Ask) -> str:
    wanted = (ask.body.get("output_config") or {}).get("format") or ask.body.get("output_format")
    if wanted:
        return json.dumps(sample(wanted["schema"]), ensure_ascii=False)
    level = f", effort {ask.effort}" if ask.effort else ""
    return f"[simulated] You said: {_heard(ask)} ({ask.model.id}{level})"


def _heard(ask: Ask) -> str:
    last = ask.turns[-1]
    if results := len(last.of_kind("tool_result")):
        return f"{results} tool result{'s' * (results > 1)}"
    return "a summary" if last.of_kind("compaction") else _quoted(ask.said)


def _quoted(said: str) -> str:
    text = without_size(said)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}..."


def _stopped(ask: Ask, said: Answer) -> Answer:
    text = said.blocks[0].folded["text"]
    found = [(text.find(sequence), sequence) for sequence in ask.body.get("stop_sequences") or ()]
    first = min(((at, sequence) for at, sequence in found if at >= 0), default=None)
    if first is None:
        return said
    at, sequence = first
    kept = Answer.text(text[:at]) if at else Answer()
    return kept.with_stop("stop_sequence", sequence)


# -------------------------------------------------------------------------------------------------------------- tools


def _due(ask: Ask) -> Tool | None:
    """The tool that must be called, or that the last turn names."""
    choice = ask.body.get("tool_choice") or {"type": "auto"}
    tools = [tool for tool in ask.body.get("tools") or () if _callable(tool)]
    match choice["type"]:
        case "none":
            return None
        case "any":
            return tools[0] if tools else None
        case "tool":
            return next((tool for tool in tools if tool["name"] == choice["name"]), None)
    return next((tool for tool in tools if re.search(rf"\b{re.escape(tool['name'])}\b", ask.said)), None)


def _callable(tool: Tool) -> bool:
    """Web search is the one tool of the server that the simulator plays."""
    kind = tool.get("type") or "custom"
    return not kind.startswith(("web_fetch", "code_execution", "tool_search", "advisor", "mcp_"))


def _call(ask: Ask, tool: Tool) -> Answer:
    if (tool.get("type") or "").startswith("web_search"):
        return Answer.web_search(_quoted(ask.said))
    return Answer.tools((tool["name"], sample(tool.get("input_schema", {"type": "object"}))))
