"""The official client for Bedrock: JSON, stream, tools, betas, errors, signatures and bearer keys."""

import sys

import anthropic
from anthropic import AnthropicBedrock

url, key = sys.argv[1:]
VERSION = {"anthropic_version": "bedrock-2023-05-31"}  # the client's own default is a newer one
MODEL = "us.anthropic.claude-opus-4-6-v1"
SIGNED = {"aws_access_key": "AKIASIMULATOR0000001", "aws_secret_key": "sim-secret-key"}
ask = {
    "model": MODEL,
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "Grüße, 世界"}],
    "extra_body": VERSION,
}


def client_of(**credentials):
    return AnthropicBedrock(base_url=url, aws_region="us-east-1", max_retries=0, timeout=10, **credentials)


def refused(kind, client=None, **changes):
    try:
        (client or signed).messages.create(**ask | changes)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def said(text):
    return [{"role": "user", "content": text}]


signed = client_of(**SIGNED)
for client in (signed, client_of(api_key=key)):
    message = client.messages.create(**ask)
    assert message.content[0].text.startswith("[simulated] You said: Grüße, 世界"), message
    assert message.id.startswith("msg_bdrk_"), message
    with client.messages.stream(**ask) as stream:
        assert stream.get_final_message().content[0].text == message.content[0].text

# An id without a version takes the client's own default.
newer = signed.messages.create(**ask | {"model": "global.anthropic.claude-opus-5-5", "extra_body": {}})
assert newer.model == "claude-opus-5-5", newer
assert "anthropic_version" in str(refused(anthropic.BadRequestError, extra_body={}))

# An ARN has slashes and colons.
arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{MODEL}"
assert signed.messages.create(**ask | {"model": arn}).model == "claude-opus-4-6"

tools = [{"name": "get_weather", "description": "Weather", "input_schema": {"type": "object", "properties": {}}}]
with signed.messages.stream(**ask | {"tools": tools, "messages": said("[[sim:tools parallel=3]]")}) as stream:
    called = stream.get_final_message()
assert [block.input["city"] for block in called.content] == ["Town 1", "Town 2", "Town 3"], called
results = [{"type": "tool_result", "tool_use_id": block.id, "content": "sunny"} for block in called.content]
history = [
    *said("[[sim:tools parallel=3]]"),
    {"role": "assistant", "content": [block.to_dict() for block in called.content]},
    {"role": "user", "content": results},
]
answer = signed.messages.create(**ask | {"tools": tools, "messages": history})
assert "3 tool results" in answer.content[0].text, answer

thinking = {"thinking": {"type": "adaptive"}, "messages": said("[[sim:thinking]]")}
with signed.messages.stream(**ask | thinking) as stream:
    thought = stream.get_final_message()
assert [block.type for block in thought.content] == ["thinking", "text"], thought
assert thought.content[0].signature, thought

summed = signed.beta.messages.create(
    **ask,
    betas=["compact-2026-01-12"],
    context_management={"edits": [{"type": "compact_20260112"}]},
)
assert summed.content[0].type == "text", summed
assert "invalid beta flag" in str(refused(anthropic.BadRequestError, extra_headers={"anthropic-beta": "nonsense"}))
assert "Extra inputs" in str(refused(anthropic.BadRequestError, extra_body=VERSION | {"speed": "fast"}))

assert refused(anthropic.RateLimitError, messages=said("[[sim:error status=429]]")).status_code == 429
assert refused(anthropic.InternalServerError, messages=said("[[sim:error status=529]]")).status_code == 503
wrong = client_of(aws_access_key=SIGNED["aws_access_key"], aws_secret_key="wrong")
assert "signature we calculated does not match" in str(refused(anthropic.PermissionDeniedError, wrong))
assert "API Key is valid" in str(refused(anthropic.PermissionDeniedError, client_of(api_key="wrong")))


def failed(text):
    try:
        with signed.messages.stream(**ask | {"messages": said(text)}) as stream:
            stream.until_done()
    except anthropic.APIStatusError as error:
        return error.body
    raise AssertionError("the stream did not fail")


assert "serviceUnavailableException" in str(failed("[[sim:mid_error after=3]]"))
sys.stdout.write("done\n")
