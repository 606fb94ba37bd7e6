"""Thinking there and back: shown, omitted and redacted."""

import sys

import anthropic

url, key = sys.argv[1:]
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=10)
ask = {"model": "claude-opus-4-6", "max_tokens": 3000}
hello = {"role": "user", "content": "Hello"}


def send_back(message, **more):
    content = [block.to_dict() for block in message.content]
    return client.messages.create(**ask, **more, messages=[hello, {"role": "assistant", "content": content}, hello])


def refusal_of(message):
    try:
        send_back(message)
    except anthropic.BadRequestError as error:
        return error
    raise AssertionError("a forged signature was accepted")


for thinking in ({"type": "adaptive"}, {"type": "enabled", "budget_tokens": 1024}):
    with client.messages.stream(**ask, thinking=thinking, messages=[hello]) as stream:
        message = stream.get_final_message()
    assert message.content[0].thinking
    assert message.content[0].signature
    assert send_back(message, thinking=thinking).content[1].text

omitted = client.messages.create(
    **ask, messages=[hello], extra_body={"thinking": {"type": "adaptive", "display": "omitted"}}
)
assert omitted.content[0].thinking == ""
assert omitted.content[0].signature
assert send_back(omitted).stop_reason == "end_turn"

redacted = client.messages.create(**ask, messages=[{"role": "user", "content": "[[sim:redacted]]"}])
assert redacted.content[0].type == "redacted_thinking"
assert send_back(redacted).stop_reason == "end_turn"

message.content[0].signature = "c3RyYW5nZXI="
assert "Invalid `signature` in `thinking` block" in refusal_of(message).message
sys.stdout.write("done\n")
