"""Messages as JSON and as a stream, token counts and models."""

import sys

import anthropic

url, key = sys.argv[1:]
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=10)
ask = {"model": "claude-opus-4-6", "max_tokens": 300, "messages": [{"role": "user", "content": "Grüße 👋"}]}

message = client.messages.create(**ask)
assert message.content[0].text == "[simulated] You said: Grüße 👋 (claude-opus-4-6)", message
assert message.stop_reason == "end_turn"
assert message.usage.input_tokens == 8 + 3
assert message.usage.cache_creation.ephemeral_1h_input_tokens == 0
assert message._request_id.startswith("req_")

with client.messages.stream(**ask) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
assert text == final.content[0].text == message.content[0].text
assert final.usage.output_tokens == message.usage.output_tokens

events = [event.type for event in client.messages.create(**ask, stream=True)]
assert (events[0], events[-1]) == ("message_start", "message_stop"), events

assert client.messages.count_tokens(model=ask["model"], messages=ask["messages"]).input_tokens == 11

assert client.messages.create(**ask | {"max_tokens": 0}).content == []

models = [model.id for model in client.models.list(limit=5)]
assert "claude-opus-4-6" in models, models
assert len(models) == len(set(models)) > 20, models
assert client.models.retrieve("claude-haiku-4-5").display_name == "Claude Haiku 4.5"

beta = client.beta.messages.create(
    **ask,
    betas=["compact-2026-01-12"],
    context_management={"edits": [{"type": "compact_20260112"}]},
)
assert beta.context_management.applied_edits == []
sys.stdout.write("done\n")
