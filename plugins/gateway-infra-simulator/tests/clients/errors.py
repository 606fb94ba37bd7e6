"""Every error raises its class, and broken streams are noticed."""

import sys

import anthropic

url, key = sys.argv[1:]
client = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0, timeout=10)
ask = {"model": "claude-opus-4-6", "max_tokens": 300}


def say(words, caller=client, **more):
    return caller.messages.create(**ask | {"messages": [{"role": "user", "content": words}]} | more)


def raised(kind, words, **more):
    try:
        for _ in say(words, **more):
            pass
    except kind as error:
        return error
    raise AssertionError(f"{words} did not raise {kind.__name__}")


CLASSES = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    402: anthropic.APIStatusError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    409: anthropic.ConflictError,
    413: anthropic.APIStatusError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    504: anthropic.APIStatusError,
    529: anthropic.APIStatusError,
}
for status, kind in CLASSES.items():
    error = raised(kind, f"[[sim:error status={status}]]")
    assert error.status_code == status
    assert error.request_id.startswith("req_")
    assert error.body["error"]["message"] == f"[simulated] status {status}"

raised(anthropic.AuthenticationError, "x", caller=anthropic.Anthropic(base_url=url, api_key="other", max_retries=0))
raised(anthropic.NotFoundError, "x", model="claude-9")
assert "output tokens" in raised(anthropic.BadRequestError, "x", max_tokens=200_000, stream=True).message

error = raised(anthropic.APIStatusError, "[[sim:mid_error]]", stream=True)
assert error.body["error"]["type"] == "overloaded_error"
error = raised(Exception, "[[sim:text cut=600]]", stream=True)
assert "closed" in str(error) or "incomplete" in str(error), repr(error)
sys.stdout.write("done\n")
