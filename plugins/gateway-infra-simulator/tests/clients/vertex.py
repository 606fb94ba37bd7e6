"""AnthropicVertex with a service account: messages, streams, counts, tools, and errors of both kinds."""

import json
import sys

import anthropic
from google.oauth2.service_account import Credentials

url, _key, account = sys.argv[1:]
scopes = ["https://www.googleapis.com/auth/cloud-platform"]
credentials = Credentials.from_service_account_info(json.loads(account), scopes=scopes)
client = anthropic.AnthropicVertex(
    region="us-east5",
    project_id="sim-project",
    base_url=f"{url}/v1",
    credentials=credentials,
    max_retries=0,
    timeout=10,
)
ask = {"model": "claude-opus-4-6", "max_tokens": 300, "messages": [{"role": "user", "content": "Grüße 👋"}]}

message = client.messages.create(**ask)
assert message.content[0].text == "[simulated] You said: Grüße 👋 (claude-opus-4-6)", message
assert message.id.startswith("msg_vrtx_"), message
assert message._request_id.startswith("req_vrtx_"), message
with client.messages.stream(**ask) as stream:
    final = stream.get_final_message()
assert (final.content[0].text, final.usage.output_tokens) == (message.content[0].text, message.usage.output_tokens)
assert client.messages.count_tokens(model=ask["model"], messages=ask["messages"]).input_tokens == 11
dated = client.messages.create(**ask | {"model": "claude-opus-4-5@20251101"})
assert dated.model == "claude-opus-4-5-20251101", dated

tool = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}
with client.messages.stream(**ask, tools=[tool], tool_choice={"type": "any"}) as stream:
    call = stream.get_final_message().content[0]
assert (call.name, call.input) == ("look", {"at": "simulated"}), call
beta = client.beta.messages.create(
    **ask, betas=["compact-2026-01-12"], context_management={"edits": [{"type": "compact_20260112"}]}
)
assert [one.type for one in beta.usage.iterations] == ["message"], beta


def raised(kind, caller=client, **changes):
    try:
        for _ in caller.messages.create(**ask | changes):
            pass
    except kind as error:
        return error
    raise AssertionError(f"{changes} did not raise {kind.__name__}")


def said(words):
    return {"messages": [{"role": "user", "content": words}]}


for stream in (False, True):
    error = raised(anthropic.RateLimitError, **said("[[sim:host_error status=429]]"), stream=stream)
    body = error.body[0] if isinstance(error.body, list) else error.body
    assert body["error"]["status"] == "RESOURCE_EXHAUSTED", body
    error = raised(anthropic.APIStatusError, **said("[[sim:error status=529]]"), stream=stream)
    assert (error.status_code, error.body["error"]["type"]) == (529, "overloaded_error")
raised(anthropic.NotFoundError, model="claude-9")
raised(anthropic.BadRequestError, inference_geo="us")
raised(anthropic.AuthenticationError, caller=client.with_options(access_token="ya29.stranger"))
error = raised(anthropic.APIStatusError, **said("[[sim:mid_error]]"), stream=True)
assert error.body["error"]["type"] == "overloaded_error"
sys.stdout.write("done\n")
