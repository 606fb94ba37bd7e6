"""Output: effort, format and budget of the answer, and what the container may bring along."""

from typing import Any

from gateway_infra_simulator import shape
from gateway_infra_simulator.ask import Ask
from gateway_infra_simulator.refusal import RefusalError, bad

EFFORTS = ("low", "medium", "high", "xhigh", "max")
EFFORT_BETA = "effort-2025-11-24"


def check(ask: Ask) -> None:
    """Refuse output settings that the model or the betas do not allow."""
    config = ask.body.get("output_config") or {}
    shape.only("output_config", config, _keys(ask))
    if config.get("effort") is not None:
        _effort(ask, shape.choice("output_config.effort", config["effort"], EFFORTS))
    if config.get("format") is not None:
        _format("output_config.format", config["format"])
    if ask.body.get("output_format") is not None:
        _format("output_format", ask.body["output_format"])
    _container(ask)


def _keys(ask: Ask) -> tuple[str, ...]:
    budget = ("task_budget",) if ask.may_field("output_config.task_budget") else ()
    effort = () if ask.model.effort_beta and EFFORT_BETA not in ask.tokens else ("effort",)
    return ("format", *effort, *budget)


def _effort(ask: Ask, effort: str) -> None:
    if not ask.model.efforts:
        raise RefusalError(400, "This model does not support the effort parameter.")
    if effort not in ask.model.efforts:
        supported = ", ".join(sorted(ask.model.efforts))
        raise RefusalError(400, f"This model does not support effort level '{effort}'. Supported levels: {supported}.")


def _format(path: str, value: object) -> None:
    wanted: dict[str, Any] = shape.mapping(path, value)
    shape.tag(path, wanted, ("json_schema",))
    shape.only(path, wanted, ("type", "schema"))
    shape.mapping(f"{path}.schema", shape.need(path, wanted, "schema"))


def _container(ask: Ask) -> None:
    container = ask.body.get("container")
    if isinstance(container, dict):
        skills = ("skills",) if ask.may_field("container.skills") else ()
        shape.only("container", container, ("id", *skills))
    elif container is not None and not isinstance(container, str):
        raise bad("container", "Input should be a valid string")
