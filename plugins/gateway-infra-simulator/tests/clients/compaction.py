"""Compaction there and back, as JSON and as a stream, going on and pausing."""

import sys

import anthropic

url, key = sys.argv[1:]
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=10)
edit = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 60_000}}
ask = {"model": "claude-opus-4-6", "max_tokens": 300, "betas": ["compact-2026-01-12"]}
long = [{"role": "user", "content": "Hello [[sim:size tokens=70000]]"}]
more = {"role": "user", "content": "And now?"}


def whole(messages, **changes):
    return client.beta.messages.create(**ask, messages=messages, context_management={"edits": [edit | changes]})


def streamed(messages, **changes):
    management = {"edits": [edit | changes]}
    with client.beta.messages.stream(**ask, messages=messages, context_management=management) as stream:
        seen = [event for event in stream if event.type == "compaction"]
        final = stream.get_final_message()
    assert [event.content for event in seen] == [block.content for block in final.content if block.type == "compaction"]
    return final


for send in (whole, streamed):
    first = send(long)
    assert [block.type for block in first.content] == ["compaction", "text"], first
    assert first.content[0].content == "[simulated] A summary in place of 70000 tokens."
    summing_up, answering = first.usage.iterations
    assert (summing_up.type, summing_up.input_tokens) == ("compaction", 70_000), first.usage
    assert answering.input_tokens == first.usage.input_tokens < 100, first.usage

    content = [block.to_dict() for block in first.content]
    history = [*long, {"role": "assistant", "content": content}, more]
    second = send(history)
    assert [block.type for block in second.content] == ["text"], second
    assert second.usage.input_tokens < 100, second.usage
    assert [one.type for one in second.usage.iterations] == ["message"]

    paused = send(long, pause_after_compaction=True)
    assert (paused.stop_reason, paused.usage.input_tokens, paused.usage.output_tokens) == ("compaction", 0, 0)
    resumed = send([*long, {"role": "assistant", "content": [paused.content[0].to_dict()]}])
    assert resumed.stop_reason == "end_turn"

    content[0]["content"] = "Other words."
    if content[0].get("encrypted_content"):  # which the older client loses in streams
        try:
            send(history)
        except anthropic.BadRequestError as error:
            assert error.body["error"]["details"]["error_code"] == "compaction_content_mismatch"  # noqa: PT017  # no test
        else:
            raise AssertionError("a changed summary was accepted")
sys.stdout.write("done\n")
