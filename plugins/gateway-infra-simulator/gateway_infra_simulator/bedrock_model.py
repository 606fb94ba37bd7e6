"""Model ids of Bedrock: foundation models, inference profiles and ARNs, and the model that each leads to."""

import re
from dataclasses import dataclass

from gateway_infra_simulator.bedrock_fault import FaultError, invalid
from gateway_infra_simulator.model import Model, models

PREFIXES = ("global", "us", "eu", "jp", "au", "apac", "us-gov")
"""Whose inference profiles there are."""

PROFILES = {
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/sim0opus46": "anthropic.claude-opus-4-6-v1"
}
"""Application profiles by ARN; their names say nothing about the model."""

_VENDOR = "anthropic."
_DATED = re.compile(r"-20\d{6}$")
_SINGLE = {"claude-opus-4-6": "-v1"}
"""The one undated model whose id carries a version."""

_ON_DEMAND = ("claude-3-5-haiku-20241022",)
"""Models that may be called by their bare id even where the newer ones may not."""

_ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:[a-z0-9-]+:\d{0,12}:(?P<kind>foundation-model|inference-profile|"
    r"application-inference-profile)/(?P<name>[A-Za-z0-9:.-]+)"
)


@dataclass(frozen=True)
class Target:
    """What a model id leads to.

    Attributes:
        id: as it came, decoded.
        model: the name of the model on Anthropic's own API.
        versioned: the id ends in a version, so that only the old body version is accepted.
        profile: it names an inference profile.
    """

    id: str
    model: str
    versioned: bool
    profile: bool


def foundation_id(model: Model) -> str:
    """The id of a model on Bedrock, such as ``anthropic.claude-opus-4-6-v1``."""
    version = "-v1:0" if _DATED.search(model.id) else _SINGLE.get(model.id, "")
    return f"{_VENDOR}{model.id}{version}"


def resolve(name: str, era: str, profiles: dict[str, str]) -> Target:
    """What an id or ARN leads to; FaultError if it leads nowhere."""
    if name in profiles:
        return _target(name, profiles[name], era, profile=True)
    arn = _ARN.fullmatch(name)
    if name.startswith("arn:") and (arn is None or arn["kind"] == "application-inference-profile"):
        raise FaultError(
            "ResourceNotFoundException", "Could not resolve the foundation model from the provided model identifier."
        )
    bare = arn["name"] if arn else name
    prefix, _, rest = bare.partition(".")
    profile = prefix in PREFIXES
    if arn and profile != (arn["kind"] == "inference-profile"):
        raise invalid("The provided model identifier is invalid.")
    return _target(name, rest if profile else bare, era, profile=profile)


def check_on_demand(target: Target) -> None:
    """Refuse a bare id for a model that is only to be had through an inference profile."""
    if target.profile or target.model in _ON_DEMAND:
        return
    raise invalid(
        f"Invocation of model ID {target.id} with on-demand throughput isn\u2019t supported. Retry your request with "
        "the ID or ARN of an inference profile that contains this model."
    )


def _target(name: str, foundation: str, era: str, *, profile: bool) -> Target:
    for model in models(era):
        if "bedrock" in model.hosts and foundation_id(model) == foundation:
            return Target(name, model.id, foundation != f"{_VENDOR}{model.id}", profile)
    raise invalid("The provided model identifier is invalid.")
