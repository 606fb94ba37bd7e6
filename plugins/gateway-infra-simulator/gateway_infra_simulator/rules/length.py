"""Length: how long prompt and answer may be."""

from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import RefusalError


def check(ask: Ask) -> None:
    """Refuse a prompt that does not fit the window and an answer longer than the model writes."""
    if ask.input_tokens > ask.model.context:
        raise RefusalError(400, f"prompt is too long: {ask.input_tokens} tokens > {ask.model.context} maximum")
    wanted = ask.body.get("max_tokens", 0)
    if wanted > ask.model.output:
        raise RefusalError(
            400,
            f"max_tokens: {wanted} > {ask.model.output}, which is the maximum allowed number of output tokens "
            f"for {ask.model.id}",
        )
