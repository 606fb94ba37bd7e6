"""AnthropicFoundry with a key and with a token of Entra: messages, streams, counts, tools, and errors of both kinds."""

import json
import sys
import urllib.parse
import urllib.request

import anthropic

url, key = sys.argv[1:]


def token():
    grant = {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": key,
        "scope": "https://ai.azure.com/.default",
    }
    data = urllib.parse.urlencode(grant).encode()
    with urllib.request.urlopen(f"{url}/tenant/oauth2/v2.0/token", data) as answer:
        return json.load(answer)["access_token"]


def of(**credential):
    return anthropic.AnthropicFoundry(base_url=f"{url}/anthropic/", max_retries=0, timeout=10, **credential)


ask = {"model": "claude-opus-4-6", "max_tokens": 300, "messages": [{"role": "user", "content": "Grüße 👋"}]}
tool = {"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}


def said(words):
    return {"messages": [{"role": "user", "content": words}]}


def raised(kind, caller, **changes):
    try:
        for _ in caller.messages.create(**ask | changes):
            pass
    except kind as error:
        return error
    raise AssertionError(f"{changes} did not raise {kind.__name__}")


for client in (of(api_key=key), of(azure_ad_token_provider=token)):
    message = client.messages.create(**ask)
    assert message.content[0].text == "[simulated] You said: Grüße 👋 (claude-opus-4-6)", message
    assert message._request_id.startswith("req_"), message
    with client.messages.stream(**ask) as stream:
        final = stream.get_final_message()
    assert (final.content[0].text, final.usage.output_tokens) == (message.content[0].text, message.usage.output_tokens)
    assert client.messages.count_tokens(model=ask["model"], messages=ask["messages"]).input_tokens == 11
    with client.messages.stream(**ask, tools=[tool], tool_choice={"type": "any"}) as stream:
        call = stream.get_final_message().content[0]
    assert (call.name, call.input) == ("look", {"at": "simulated"}), call

    for stream in (False, True):
        error = raised(anthropic.RateLimitError, client, **said("[[sim:host_error status=429]]"), stream=stream)
        assert error.body["error"]["code"] == "429", error.body
        error = raised(anthropic.APIStatusError, client, **said("[[sim:error status=529]]"), stream=stream)
        assert (error.status_code, error.body["error"]["type"]) == (529, "overloaded_error")
    assert raised(anthropic.NotFoundError, client, model="claude-9").body["error"]["code"] == "DeploymentNotFound"
    raised(anthropic.BadRequestError, client, inference_geo="us")
    error = raised(anthropic.APIStatusError, client, **said("[[sim:mid_error]]"), stream=True)
    assert error.body["error"]["type"] == "overloaded_error"

raised(anthropic.AuthenticationError, of(api_key="other"))
raised(anthropic.AuthenticationError, of(azure_ad_token_provider=lambda: "eyJ.stranger"))
sys.stdout.write("done\n")
