"""One row for each rule: what is sent, and the refusal that comes back."""

import pytest

HELLO = {"role": "user", "content": "Hello"}
WEATHER = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
ADAPTIVE = {"type": "adaptive"}
ENABLED = {"type": "enabled", "budget_tokens": 1024}
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
SCHEMA = {"type": "json_schema", "schema": {"type": "object"}}
COMPACT = "compact-2026-01-12"
CLEARING = "context-management-2025-06-27"
COMPACTION = {"type": "compact_20260112"}
CLEAR = {"type": "clear_tool_uses_20250919"}
SUMMARY = {"type": "compaction", "content": "Before."}
EXTRA = "Extra inputs are not permitted"


def turns(*contents):
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": content} for index, content in enumerate(contents)]


def edits(*several):
    return {"context_management": {"edits": list(several)}}


def text(value, **more):
    return {"type": "text", "text": value, **more}


def marked(*controls):
    return [{"role": "user", "content": [text("x", cache_control=control) for control in controls]}]


REFUSED = {
    # fields
    "missing messages": ({"messages": ...}, "messages: Field required"),
    "missing max_tokens": ({"max_tokens": ...}, "max_tokens: Field required"),
    "missing model": ({"model": ...}, "model: Field required"),
    "unknown field": ({"foo": 1}, f"foo: {EXTRA}"),
    "max_tokens text": ({"max_tokens": "9"}, "max_tokens: Input should be a valid integer"),
    "max_tokens boolean": ({"max_tokens": True}, "max_tokens: Input should be a valid integer"),
    "max_tokens negative": ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
    "max_tokens too large": ({"max_tokens": 128001}, "max_tokens: 128001 > 128000, which is the maximum"),
    "model number": ({"model": 4}, "model: Input should be a valid string"),
    "messages text": ({"messages": "Hello"}, "messages: Input should be a valid list"),
    "messages empty": ({"messages": []}, "messages: at least one message is required"),
    "too many messages": ({"messages": [HELLO] * 100_001}, "messages: List should have at most 100000 items"),
    "stream text": ({"stream": "true"}, "stream: Input should be a valid boolean"),
    "temperature text": ({"temperature": "hot"}, "temperature: Input should be a valid number"),
    "tools object": ({"tools": {}}, "tools: Input should be a valid list"),
    "blank stop sequence": ({"stop_sequences": ["END", " \n"]}, "each stop sequence must contain non-whitespace"),
    "stop sequence number": ({"stop_sequences": [1]}, "stop_sequences.0: Input should be a valid string"),
    "service tier": ({"service_tier": "gold"}, "service_tier: Input should be 'auto' or 'standard_only'"),
    "user is an address": ({"metadata": {"user_id": "ann@example.com"}}, "appears to contain an email address"),
    "metadata extra": ({"metadata": {"team": "x"}}, f"metadata.team: {EXTRA}"),
    "output_config null": ({"output_config": None}, "output_config: Input should be an object"),
    # roles and content
    "unknown role": ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: Input should be 'user'"),
    "message extra": ({"messages": [HELLO | {"name": "x"}]}, f"messages.0.name: {EXTRA}"),
    "no content": ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    "empty content": ({"messages": turns([])}, "messages.0: user messages must have non-empty content"),
    "empty text": ({"messages": turns([text("")])}, "messages: text content blocks must be non-empty"),
    "blank text": ({"messages": turns([text(" \n")])}, "messages: text content blocks must contain non-whitespace"),
    "blank string": ({"messages": turns("")}, "messages: text content blocks must be non-empty"),
    "blank system": ({"system": [text("")]}, "system: text content blocks must be non-empty"),
    "system image": ({"system": [{"type": "image"}]}, "system.0: Input tag 'image'"),
    "unknown block": ({"messages": turns([{"type": "novel"}])}, "messages.0.content.0: Input tag 'novel' found"),
    "block extra": ({"messages": turns([text("x", reasoning=1)])}, f"messages.0.content.0.text.reasoning: {EXTRA}"),
    "block without type": ({"messages": turns([{"text": "x"}])}, "messages.0.content.0.type: Field required"),
    "tool use of a user": ({"messages": turns([USE])}, "`tool_use` blocks can only be in `assistant` messages"),
    "image of an assistant": (
        {"messages": turns("x", [{"type": "image", "source": {}}], "x")},
        "`image` blocks can only be in `user` messages",
    ),
    "system role on 4.6": ({"messages": [HELLO, {"role": "system", "content": "x"}]}, 'Unexpected role "system"'),
    "prefill on 4.6": ({"messages": turns("Hello", "Hi")}, "does not support assistant message prefill"),
    "prefill with a space": (
        {"model": "claude-haiku-4-5", "messages": turns("Hello", "Hi ")},
        "final assistant content cannot end with trailing whitespace",
    ),
    "length without a number": (
        {"messages": turns("[[sim:size tokens=many]]")},
        "simulator: a length is given as [[sim:size tokens=180000]]",
    ),
    "compaction block without beta": (
        {"messages": turns("x", [{"type": "compaction", "content": "x"}], "x")},
        "messages.1.content.0: Input tag 'compaction'",
    ),
    # pairing
    "result without call": ({"messages": turns([RESULT])}, "messages.0.content.0: unexpected `tool_use_id` found"),
    "call without result": ({"messages": turns("x", [USE], "x")}, "messages.1: `tool_use` ids were found without"),
    "call at the end": (
        {"model": "claude-haiku-4-5", "messages": turns("x", [USE])},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1",
    ),
    "text before result": (
        {"messages": turns("x", [USE], [text("well"), RESULT])},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after",
    ),
    "two results": ({"messages": turns("x", [USE], [RESULT, RESULT])}, "each tool_use must have a single result"),
    "same id twice": (
        {"messages": turns("x", [USE], [RESULT], [USE], [RESULT])},
        "messages: `tool_use` ids must be unique",
    ),
    "bad call id": (
        {"messages": turns("x", [USE | {"id": "call:1"}], "x")},
        "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
    ),
    # tools
    "tool name": ({"tools": [WEATHER | {"name": "get weather"}]}, "tools.0.custom.name: String should match pattern"),
    "tool name too long": ({"tools": [WEATHER | {"name": "x" * 129}]}, "tools.0.custom.name: String should match"),
    "tool without schema": ({"tools": [{"name": "x"}]}, "tools.0.custom.input_schema: Field required"),
    "tool schema type": (
        {"tools": [{"name": "x", "input_schema": {"type": "string"}}]},
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    "tool description": ({"tools": [WEATHER | {"description": 1}]}, "tools.0.custom.description: Input should be"),
    "tool extra": ({"tools": [WEATHER | {"parameters": {}}]}, f"tools.0.custom.parameters: {EXTRA}"),
    "unknown tool type": ({"tools": [{"type": "novel_20990101"}]}, "tools.0: Input tag 'novel_20990101'"),
    "tool type without beta": (
        {"tools": [{"type": "computer_20251124", "name": "computer"}]},
        "tools.0: Input tag 'computer_20251124'",
    ),
    "same tool twice": ({"tools": [WEATHER, WEATHER]}, "tools: Tool names must be unique."),
    "choice without tools": ({"tool_choice": {"type": "auto"}}, "tool_choice: may only be specified"),
    "unknown choice": ({"tools": [WEATHER], "tool_choice": {"type": "some"}}, "tool_choice: Input tag 'some'"),
    "choice of no tool": (
        {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "x"}},
        "Tool 'x' not found in provided tools",
    ),
    "none with parallel": (
        {"tools": [WEATHER], "tool_choice": {"type": "none", "disable_parallel_tool_use": True}},
        f"tool_choice.none.disable_parallel_tool_use: {EXTRA}",
    ),
    "forced on 5.5": (
        {"model": "claude-opus-5-5", "tools": [WEATHER], "tool_choice": {"type": "any"}},
        "tool_choice.any: this model does not support forcing tool use",
    ),
    # thinking
    "unknown thinking": ({"thinking": {"type": "deep"}}, "thinking: Input tag 'deep'"),
    "enabled on 4.7": (
        {"model": "claude-opus-4-7", "thinking": ENABLED},
        '"thinking.type.enabled" is not supported for this model.',
    ),
    "adaptive on 4.5": (
        {"model": "claude-opus-4-5", "thinking": ADAPTIVE},
        "adaptive thinking is not supported on this model",
    ),
    "disabled on 5.5": (
        {"model": "claude-opus-5-5", "thinking": {"type": "disabled"}},
        '"thinking.type.disabled" is not supported for this model.',
    ),
    "between_tools on 4.6": (
        {"thinking": {"type": "between_tools"}},
        '"thinking.type.between_tools" is not supported for this model.',
    ),
    "disabled with xhigh on 5": (
        {"model": "claude-opus-5", "thinking": {"type": "disabled"}, "output_config": {"effort": "xhigh"}},
        "output_config.effort 'xhigh' is not supported when thinking is disabled",
    ),
    "no budget": ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
    "small budget": (
        {"thinking": ENABLED | {"budget_tokens": 1023}},
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    "budget not below max_tokens": (
        {"max_tokens": 1024, "thinking": ENABLED},
        "`max_tokens` must be greater than `thinking.budget_tokens`",
    ),
    "forced with enabled": (
        {"max_tokens": 2000, "thinking": ENABLED, "tools": [WEATHER], "tool_choice": {"type": "any"}},
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    "enabled without earlier thought": (
        {"max_tokens": 2000, "thinking": ENABLED, "tools": [WEATHER], "messages": turns("x", [USE], [RESULT])},
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    ),
    "budget of adaptive": (
        {"thinking": ADAPTIVE | {"budget_tokens": 2000}},
        f"thinking.adaptive.budget_tokens: {EXTRA}",
    ),
    "display": ({"thinking": ADAPTIVE | {"display": "full"}}, "thinking.adaptive.display: Input should be"),
    "display updates without beta": (
        {"thinking": ADAPTIVE | {"display": "updates"}},
        "thinking.adaptive.display: Input should be 'summarized' or 'omitted'",
    ),
    "binding without beta": (
        {"thinking": ADAPTIVE | {"block_binding": {}}},
        f"thinking.adaptive.block_binding: {EXTRA}",
    ),
    "thought without signature": (
        {"messages": turns("x", [{"type": "thinking", "thinking": "Hm"}], "x")},
        "messages.1.content.0.thinking.signature: Field required",
    ),
    "thought of a stranger": (
        {"messages": turns("x", [{"type": "thinking", "thinking": "Hm", "signature": "c3RyYW5nZXI="}], "x")},
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "redacted thought of a stranger": (
        {"messages": turns("x", [{"type": "redacted_thinking", "data": "no base64!"}], "x")},
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    # output
    "unknown effort": ({"output_config": {"effort": "huge"}}, "output_config.effort: Input should be 'low'"),
    "xhigh on 4.6": (
        {"output_config": {"effort": "xhigh"}},
        "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
    ),
    "effort on Haiku 4.5": (
        {"model": "claude-haiku-4-5", "output_config": {"effort": "low"}},
        "This model does not support the effort parameter.",
    ),
    "effort on Opus 4.5 without beta": (
        {"model": "claude-opus-4-5", "output_config": {"effort": "low"}},
        f"output_config.effort: {EXTRA}",
    ),
    "unknown format": ({"output_config": {"format": {"type": "xml"}}}, "output_config.format: Input tag 'xml'"),
    "format without schema": (
        {"output_config": {"format": {"type": "json_schema"}}},
        "output_config.format.schema: Field required",
    ),
    "format extra": (
        {"output_config": {"format": SCHEMA | {"strict": True}}},
        f"output_config.format.strict: {EXTRA}",
    ),
    # sampling
    "temperature out of range": ({"temperature": 1.5}, "temperature: range: 0..1"),
    "temperature on 4.7": (
        {"model": "claude-opus-4-7", "temperature": 0.5},
        "`temperature` is deprecated for this model.",
    ),
    "top_p on Sonnet 5": ({"model": "claude-sonnet-5", "top_p": 0.5}, "`top_p` is deprecated for this model."),
    "top_k on Fable 5": ({"model": "claude-fable-5", "top_k": 5}, "`top_k` is deprecated for this model."),
    "temperature with thinking": (
        {"thinking": ADAPTIVE, "temperature": 0.5},
        "`temperature` may only be set to 1 when thinking is enabled.",
    ),
    "top_p with thinking": ({"thinking": ADAPTIVE, "top_p": 0.9}, "`top_p` must be greater than or equal to 0.95"),
    "top_k with thinking": ({"thinking": ADAPTIVE, "top_k": 5}, "`top_k` must be unset when thinking is enabled."),
    # betas
    "speed without beta": ({"speed": "fast"}, f"speed: {EXTRA}"),
    "context_management without beta": ({"context_management": {"edits": []}}, f"context_management: {EXTRA}"),
    "compaction without beta": ({"compaction": {"type": "summarize"}}, f"compaction: {EXTRA}"),
    "mcp_servers without beta": ({"mcp_servers": []}, f"mcp_servers: {EXTRA}"),
    "fallbacks without beta": ({"fallbacks": "default"}, f"fallbacks: {EXTRA}"),
    "fallback_credit_token without beta": ({"fallback_credit_token": "x"}, f"fallback_credit_token: {EXTRA}"),
    "thread without beta": ({"thread": {}}, f"thread: {EXTRA}"),
    "diagnostics without beta": ({"diagnostics": {}}, f"diagnostics: {EXTRA}"),
    "billing_policy without beta": ({"billing_policy": {}}, f"billing_policy: {EXTRA}"),
    "skills without beta": ({"container": {"skills": []}}, f"container.skills: {EXTRA}"),
    "task_budget without beta": ({"output_config": {"task_budget": {}}}, f"output_config.task_budget: {EXTRA}"),
    # geography
    "unknown place": ({"inference_geo": "mars"}, "inference_geo: Input should be 'global' or 'us'"),
    "place before 4.6": (
        {"model": "claude-sonnet-4-5", "inference_geo": "us"},
        "inference_geo: not supported for model claude-sonnet-4-5-20250929",
    ),
    # caching
    "five marks": ({"messages": marked(*[MARK] * 5)}, "A maximum of 4 blocks with cache_control may be provided"),
    "four marks and the automatic one": (
        {"messages": [*marked(*[MARK] * 4), HELLO], "cache_control": MARK},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "1h after 5m": (
        {"messages": marked(MARK, HOUR)},
        "messages.0.content.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m'",
    ),
    "1h in system after 5m in tools": (
        {"tools": [WEATHER | {"cache_control": MARK}], "system": [text("x", cache_control=HOUR)]},
        "system.0.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m'",
    ),
    "unknown ttl": (
        {"messages": marked(MARK | {"ttl": "1d"})},
        "messages.0.content.0.cache_control.ephemeral.ttl: Input should be '5m' or '1h'",
    ),
    "unknown mark": ({"messages": marked({"type": "eternal"})}, "messages.0.content.0.cache_control: Input tag"),
    # length
    "prompt too long": (
        {"model": "claude-opus-4-7", "messages": turns("x" * 4_000_000)},
        "prompt is too long: 1000008 tokens > 1000000 maximum",
    ),
    "prompt too long for 4.5": (
        {"model": "claude-haiku-4-5", "messages": turns("x" * 800_000)},
        "prompt is too long: 200008 tokens > 200000 maximum",
    ),
}

REFUSED_WITH_BETA = {
    "compaction with edits": (
        f"compact-2026-09-04,{COMPACT}",
        {"compaction": {"type": "summarize"}, "context_management": {"edits": []}},
        "compaction: cannot be combined with context_management",
    ),
    "edit of another beta": (
        COMPACT,
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
        "context_management.edits.0: Input tag 'clear_tool_uses_20250919'",
    ),
    "low trigger": (
        COMPACT,
        {
            "context_management": {
                "edits": [{"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 1000}}]
            }
        },
        "trigger.value: Input should be greater than or equal to 50000",
    ),
    "compaction before 4.6": (
        COMPACT,
        {"model": "claude-opus-4-5", "context_management": {"edits": [{"type": "compact_20260112"}]}},
        "context_management.edits.0.compact_20260112: not supported for model claude-opus-4-5-20251101",
    ),
    "compaction extra": (COMPACT, edits(COMPACTION | {"keep": 1}), f"compact_20260112.keep: {EXTRA}"),
    "compaction by tool uses": (
        COMPACT,
        edits(COMPACTION | {"trigger": {"type": "tool_uses", "value": 60_000}}),
        "compact_20260112.trigger: Input tag 'tool_uses'",
    ),
    "pause text": (
        COMPACT,
        edits(COMPACTION | {"pause_after_compaction": "yes"}),
        "compact_20260112.pause_after_compaction: Input should be a valid boolean",
    ),
    "instructions list": (COMPACT, edits(COMPACTION | {"instructions": []}), "instructions: Input should be a valid"),
    "empty summary": (
        COMPACT,
        {"messages": turns("x", [SUMMARY | {"content": ""}], "x")},
        "messages.1.content.0.compaction.content: String should have at least 1 character",
    ),
    "summary extra": (
        COMPACT,
        {"messages": turns("x", [SUMMARY | {"index": 0}], "x")},
        f"messages.1.content.0.compaction.index: {EXTRA}",
    ),
    "summary of a user": (
        COMPACT,
        {"messages": turns([SUMMARY])},
        "messages.0.content.0: `compaction` blocks can only be in `assistant` messages",
    ),
    "keep without a kind": (CLEARING, edits(CLEAR | {"keep": {"value": 3}}), "clear_tool_uses_20250919.keep.type"),
    "keep without a value": (CLEARING, edits(CLEAR | {"keep": {"type": "tool_uses"}}), "keep.value: Field required"),
    "negative trigger": (
        CLEARING,
        edits(CLEAR | {"trigger": {"type": "tool_uses", "value": -1}}),
        "trigger.value: Input should be greater than or equal to 0",
    ),
    "excluded text": (CLEARING, edits(CLEAR | {"exclude_tools": "x"}), "exclude_tools: Input should be a valid list"),
    "inputs of a number": (CLEARING, edits(CLEAR | {"clear_tool_inputs": [1]}), "clear_tool_inputs.0: Input should be"),
    "keep no thinking turn": (
        CLEARING,
        edits({"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 0}}),
        "keep.value: Input should be greater than or equal to 1",
    ),
    "clear_thinking not first": (
        f"context-management-2025-06-27,{COMPACT}",
        {"context_management": {"edits": [{"type": "compact_20260112"}, {"type": "clear_thinking_20251015"}]}},
        "clear_thinking_20251015 must be the first edit",
    ),
    "fast on Sonnet": (
        "fast-mode-2026-02-01",
        {"model": "claude-sonnet-4-6", "speed": "fast"},
        "speed: 'fast' is not supported for model claude-sonnet-4-6",
    ),
    "fast on 4.7": (
        "fast-mode-2026-02-01",
        {"model": "claude-opus-4-7", "speed": "fast"},
        "speed: 'fast' is not supported for model claude-opus-4-7",
    ),
    "fallbacks text": (
        "server-side-fallback-2026-07-01",
        {"fallbacks": "all"},
        "fallbacks: Input should be a valid list",
    ),
    "unknown speed": ("fast-mode-2026-02-01", {"speed": "warp"}, "speed: Input should be 'standard' or 'fast'"),
    "unknown beta": (
        "context-1m-2025-08-07, warp-2099-01-01",
        {},
        "Unexpected value(s) `warp-2099-01-01` for the `anthropic-beta` header",
    ),
    "max on Opus 4.5": (
        "effort-2025-11-24",
        {"model": "claude-opus-4-5", "output_config": {"effort": "max"}},
        "This model does not support effort level 'max'. Supported levels: high, low, medium.",
    ),
}

NEWER = {
    "temperature": ({"temperature": 1}, f"temperature: {EXTRA}"),
    "top_p": ({"top_p": 1}, f"top_p: {EXTRA}"),
    "top_k": ({"top_k": 1}, f"top_k: {EXTRA}"),
    "document of an assistant": (
        {"messages": turns("x", [{"type": "document", "source": {}}], "x")},
        "messages.1.content.0: `document` blocks are not permitted in `assistant` messages",
    ),
    "citations of a user": (
        {"messages": turns([text("x", citations=[{"type": "char_location"}])])},
        f"messages.0.content.0.text.citations: {EXTRA}",
    ),
}

ACCEPTED = {
    "prefill on 4.5": {"model": "claude-haiku-4-5", "messages": turns("Hello", "Hi")},
    "paused turn sent back": {
        "messages": turns("x", [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}])
    },
    "system role on 4.8": {
        "model": "claude-opus-4-8",
        "messages": [HELLO, {"role": "system", "content": "Be brief."}],
    },
    "system role between call and result": {
        "model": "claude-opus-5",
        "messages": [*turns("x", [USE]), {"role": "system", "content": "y"}, {"role": "user", "content": [RESULT]}],
    },
    "user turns in a row": {"messages": [HELLO, HELLO]},
    "temperature on 4.6": {"temperature": 0.2},
    "default temperature on 4.7": {"model": "claude-opus-4-7", "temperature": 1},
    "temperature and thinking off": {"temperature": 0.2, "thinking": {"type": "disabled"}},
    "max effort on 4.6": {"output_config": {"effort": "max"}},
    "xhigh on 4.7": {"model": "claude-opus-4-7", "output_config": {"effort": "xhigh"}},
    "forced with adaptive on 4.6": {"thinking": ADAPTIVE, "tools": [WEATHER], "tool_choice": {"type": "any"}},
    "forced on Haiku 5.5": {"model": "claude-haiku-5-5", "tools": [WEATHER], "tool_choice": {"type": "any"}},
    "adaptive without earlier thought": {
        "thinking": ADAPTIVE,
        "tools": [WEATHER],
        "messages": turns("x", [USE], [RESULT]),
    },
    "disabled with high on 5": {
        "model": "claude-opus-5",
        "thinking": {"type": "disabled"},
        "output_config": {"effort": "high"},
    },
    "between_tools on Sonnet 5.5": {"model": "claude-sonnet-5-5", "thinking": {"type": "between_tools"}},
    "speed on 5.5 without beta": {"model": "claude-opus-5-5", "speed": "fast"},
    "four marks": {"messages": marked(HOUR, HOUR, MARK, MARK)},
    "automatic mark": {"cache_control": MARK},
    "nulls": {"inference_geo": None, "container": None, "cache_control": None},
    "US": {"inference_geo": "us"},
    "a user's JSON id": {"metadata": {"user_id": '{"device_id": "d", "account_uuid": ""}'}},
    "server tool": {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]},
    "typed custom tool": {"tools": [WEATHER | {"type": "custom", "strict": True}]},
    "result with blocks": {"messages": turns("x", [USE], [RESULT | {"content": [text("sunny")]}, text("and?")])},
    "failed result without content": {
        "messages": turns("x", [USE], [{"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True}])
    },
    "image": {"messages": turns([{"type": "image", "source": {"type": "url", "url": "https://x.test/"}}, text("?")])},
}


def without_dots(changes, base):
    body = base | {name: value for name, value in changes.items() if value is not ...}
    return {name: value for name, value in body.items() if changes.get(name) is not ...}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
def test_a_request_that_breaks_a_rule_is_refused_in_the_words_of_the_api(api, sim, changes, message):
    base = {"model": "claude-opus-4-6", "max_tokens": 200, "messages": [HELLO]}
    got = api.post("/v1/messages", without_dots(changes, base))
    assert got.status == 400
    assert got.error["type"] == "invalid_request_error"
    assert message in got.error["message"]
    assert got.json["request_id"] == got.headers["request-id"]
    assert sim.log[-1].status == 400


@pytest.mark.parametrize(("beta", "changes", "message"), REFUSED_WITH_BETA.values(), ids=REFUSED_WITH_BETA)
def test_a_beta_does_not_excuse_everything(api, beta, changes, message):
    got = api.messages(beta=beta, **changes)
    assert got.status == 400
    assert message in got.error["message"]


@pytest.mark.parametrize(("changes", "message"), NEWER.values(), ids=NEWER)
def test_the_newer_version_refuses_what_the_older_one_takes(api, changes, message):
    got = api.messages(version="2026-10-21", **changes)
    assert got.status == 400
    assert message in got.error["message"]
    assert api.messages(version="2023-06-01", **changes).status == 200


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_what_the_api_takes_is_taken(api, changes):
    got = api.messages(**changes)
    assert got.status == 200, got.body


@pytest.mark.parametrize(
    ("beta", "changes"),
    [
        ("fast-mode-2026-02-01", {"speed": "fast"}),
        (COMPACT, {"context_management": {"edits": [{"type": "compact_20260112"}]}}),
        (COMPACT, {"messages": turns("x", [{"type": "compaction", "content": None}], "x")}),
        (COMPACT, {"messages": turns("x", [SUMMARY], "x")}),
        (COMPACT, {"messages": turns("x", [SUMMARY])}),
        (COMPACT, edits(COMPACTION | {"trigger": None, "instructions": None, "pause_after_compaction": None})),
        (CLEARING, edits(CLEAR | {"clear_tool_inputs": True, "exclude_tools": ["x"], "clear_at_least": None})),
        (CLEARING, edits({"type": "clear_thinking_20251015", "keep": {"type": "all"}}, CLEAR)),
        ("compact-2026-09-04", {"compaction": {"type": "summarize"}}),
        ("mcp-client-2025-11-20", {"mcp_servers": [], "tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]}),
        ("server-side-fallback-2026-07-01", {"fallbacks": "default"}),
        ("skills-2025-10-02", {"container": {"skills": []}}),
        ("task-budgets-2026-03-13", {"output_config": {"task_budget": {"type": "tokens", "total": 1}}}),
        ("effort-2025-11-24", {"model": "claude-opus-4-5", "output_config": {"effort": "low"}}),
        ("computer-use-2025-11-24", {"tools": [{"type": "computer_20251124", "name": "computer"}]}),
        ("thinking-display-updates-2026-08-18", {"thinking": ADAPTIVE | {"display": "updates"}}),
        ("structured-outputs-2025-11-13", {"output_format": SCHEMA}),
        ("claude-code-20250219, interleaved-thinking-2025-05-14", {}),
    ],
)
def test_a_beta_opens_its_field(api, beta, changes):
    got = api.messages(beta=beta, **changes)
    assert got.status == 200, got.body


def test_interleaved_thinking_lets_the_budget_exceed_max_tokens(api):
    got = api.messages(beta="interleaved-thinking-2025-05-14", thinking=ENABLED, tools=[WEATHER])
    assert got.status == 200, got.body


def test_an_unknown_model_is_not_found(api):
    got = api.messages(model="claude-9")
    assert (got.status, got.error) == (404, {"type": "not_found_error", "message": "model: claude-9"})


def test_a_refused_request_leaves_the_script_alone(api, sim):
    from gateway_infra_simulator import Answer

    sim.queue(Answer.text("scripted"))
    assert api.messages(foo=1).status == 400
    assert api.messages().json["content"][0]["text"] == "scripted"
