"""Length: how long prompt and answer may be."""

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import RefusalError


def check(ask: Ask) -> None:
    """Refuse a prompt that does not fit the window and an answer longer than the model writes."""
    window = ask.model.window(ask.tokens)
    if ask.input_tokens > window:
        raise RefusalError(400, f"prompt is too long: {ask.input_tokens} tokens > {window} maximum")
    wanted = ask.body.get("max_tokens", 0)
    if wanted > ask.model.output:
        raise RefusalError(
            400,
            f"max_tokens: {wanted} > {ask.model.output}, which is the maximum allowed number of output tokens "
            f"for {ask.model.id}",
        )
