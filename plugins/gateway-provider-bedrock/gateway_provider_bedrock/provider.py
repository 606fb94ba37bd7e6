"""The provider: Amazon Bedrock, by InvokeModel or by Converse, as the upstream's name says."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, fields
from requests.auth import AuthBase

from gateway import (
    Call,
    ConfigError,
    Deployment,
    Event,
    Fault,
    Garbled,
    HostAnswer,
    HttpUrl,
    NotSupported,
    Outbound,
    Provider,
    SecretField,
    UnknownModel,
    strictjson,
)
from gateway_provider_bedrock import converse, fault, frames, invoke
from gateway_provider_bedrock.endpoint import Endpoints
from gateway_provider_bedrock.frames import Frame
from gateway_provider_bedrock.identity import Identities
from gateway_provider_bedrock.target import ANYWHERE, CONVERSE, INVOKE, Target

VERBS: Mapping[tuple[str, bool], str] = {
    (INVOKE, False): "invoke",
    (INVOKE, True): "invoke-with-response-stream",
    (CONVERSE, False): "converse",
    (CONVERSE, True): "converse-stream",
}
"""The end of the path, by the API and whether the client wants a stream."""

COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")
"""What ``CountTokens`` takes of a Converse request."""


class Settings(Schema):
    """What a deployment may say, in LiteLLM's words: who it is, where it is, and which guardrail watches it."""

    aws_access_key_id = SecretField(load_default=None)
    aws_secret_access_key = SecretField(load_default=None)
    aws_session_token = SecretField(load_default=None)
    aws_profile_name = fields.Str(load_default=None)
    aws_role_name = fields.Str(load_default=None)
    aws_session_name = fields.Str(load_default=None)
    aws_external_id = SecretField(load_default=None)
    aws_web_identity_token = SecretField(load_default=None)
    aws_sts_endpoint = HttpUrl(load_default=None)
    aws_region_name = fields.Str(load_default=None)
    aws_bedrock_runtime_endpoint = HttpUrl(load_default=None)
    api_base = HttpUrl(load_default=None)
    api_key = SecretField(load_default=None)
    guardrail_identifier = fields.Str(load_default=None)
    guardrail_version = fields.Str(load_default=None)


class Bedrock(Provider):
    """Speaks to Amazon Bedrock's runtime, or to whatever speaks like it at a private endpoint."""

    name = "bedrock"
    settings = Settings
    passes_unknown_betas = False
    passes_unknown_fields = False
    takes_urls = False

    def __init__(self) -> None:
        self._endpoints = Endpoints()
        self._identities = Identities()

    def check(self, deployment: Deployment) -> None:
        """Refuse what cannot work: no region or a wrong one, half a credential or none, an id that is none."""
        settings, target = deployment.settings, Target.of(deployment.upstream)
        if deployment.named and not target.wellformed:
            raise ConfigError(f"{target.id!r} is no model id, inference profile or ARN of Bedrock.")
        if bool(settings["guardrail_identifier"]) != bool(settings["guardrail_version"]):
            raise ConfigError("guardrail_identifier and guardrail_version need each other.")
        named = Target.of(deployment.base_model)
        if target.is_arn and not target.model and named.model and named.id == named.model:
            raise ConfigError(
                f"base_model {deployment.base_model!r} does not say where the profile runs, which decides the price; "
                f"name it with its geography, such as us.{named.model} or {ANYWHERE}.{named.model}."
            )
        region = self._endpoints.check(deployment)
        if target.region not in ("", region):
            raise ConfigError(f"its ARN is of region {target.region}, its aws_region_name {region}.")
        self._identities.check(settings, region)

    def auth(self, deployment: Deployment) -> AuthBase:
        """The deployment's API key, else its AWS credentials."""
        return self._identities.auth(deployment.settings, self._endpoints.region(deployment))

    def public_name(self, upstream: str) -> str:
        """An ARN loses its account and its path."""
        target = Target.of(upstream)
        return upstream.removesuffix(target.id) + target.resource if target.is_arn else upstream

    def private(self, deployment: Deployment) -> Iterable[str]:
        """Accounts, a guardrail, and the host, which tells region and private endpoint."""
        settings, target = deployment.settings, Target.of(deployment.upstream)
        host = urlsplit(self._endpoints.base(deployment)).hostname
        account = (settings["aws_role_name"] or "").split(":")[4:5]
        return [word for word in (target.account, *account, settings["guardrail_identifier"], host) if word]

    def encode(self, call: Call) -> Outbound:
        """The request in the envelope of its API."""
        target, settings = self._target(call.host), call.host.settings
        headers = {"content-type": "application/json"}
        if target.api == CONVERSE:
            body = converse.encode(call.body, call.betas)
            if settings["guardrail_identifier"]:
                body = {**body, "guardrailConfig": _guardrail(settings)}
        else:
            body = invoke.encode(call.body, call.betas)
            headers["x-amzn-bedrock-accept" if call.stream else "accept"] = "application/json"
            if settings["guardrail_identifier"]:
                headers |= {f"x-amzn-bedrock-{name.lower()}": value for name, value in _guardrail(settings).items()}
        return self._post(call, target.segment, VERBS[target.api, call.stream], body, headers)

    def encode_count(self, call: Call) -> Outbound:
        """What would be sent, to be counted; the host counts for foundation models only."""
        target = self._target(call.host)
        model = _named(call.host).model
        if not model:
            raise NotSupported(
                "Bedrock counts tokens for foundation models, and this profile does not show which one it runs; "
                "the operator can say it as the deployment's base_model."
            )
        if target.api == CONVERSE:
            whole = converse.encode(call.body, call.betas)
            counted = {"converse": {name: whole[name] for name in COUNTED if name in whole}}
        else:
            counted = invoke.encode_count(call.body, call.betas)
        path = Target(target.api, model).segment
        return self._post(call, path, "count-tokens", {"input": counted}, {"content-type": "application/json"})

    def read_count(self, body: bytes) -> dict[str, Any]:
        """The count under the Messages API's name."""
        count = _object(body).get("inputTokens")
        if not isinstance(count, int):
            raise Garbled("The host's count of tokens cannot be understood.")
        return {"input_tokens": count}

    def events(self, call: Call, answer: HostAnswer) -> Iterator[list[Event]]:
        """The answer as Messages events, whichever API gave it."""
        if Target.of(call.host.upstream).api == CONVERSE:
            return self._converse_events(call, answer)
        if call.stream:
            return invoke.events(frames.bursts(answer.chunks()))
        return iter([[invoke.plain(Event("message", answer.read()))]])

    def served(self, call: Call) -> Mapping[str, str]:
        """The geography of the inference profile, which prices the call and which no usage tells."""
        place = _named(call.host).geography
        return {"inference_geo": place} if place else {}

    def request_id(self, headers: Mapping[str, str]) -> str:
        """AWS's own id of the request."""
        return headers.get("x-amzn-requestid", "")

    def fault(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        """What an exception of AWS means."""
        return fault.read(super().fault(status, headers, body), headers, body)

    def _target(self, deployment: Deployment) -> Target:
        """The target; through a wildcard it is the client's word."""
        target = Target.of(deployment.upstream)
        if not target.wellformed:
            raise UnknownModel("The model's name is no model id, inference profile or ARN of Bedrock.")
        return target

    def _post(
        self, call: Call, segment: str, verb: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Outbound:
        url = f"{self._endpoints.base(call.host)}/model/{segment}/{verb}"
        fixed = {"accept-encoding": "identity", "user-agent": "gateway"}
        return Outbound("POST", url, {**call.headers, **fixed, **headers}, strictjson.dumps(body))

    def _converse_events(self, call: Call, answer: HostAnswer) -> Iterator[list[Event]]:
        name, made = _named(call.host).name, f"msg_{self.request_id(answer.headers) or call.id}"
        if not call.stream:
            yield [Event.of(converse.message(_object(answer.read()), id=made, model=name))]
            return
        stream = converse.Stream(made, name)
        for burst in frames.bursts(answer.chunks()):
            found = [event for frame in burst for event in _converted(stream, frame)]
            if found:
                yield found


def _converted(stream: converse.Stream, frame: Frame) -> list[Event]:
    if frame.failed:
        return [fault.event(frame.name, frame.payload)]
    return stream.events(frame.name, frame.payload)


def _named(deployment: Deployment) -> Target:
    """The target that says which model runs: the operator's word where the upstream is a profile of its account."""
    target = Target.of(deployment.upstream)
    return Target.of(deployment.base_model) if deployment.base_model and not target.model else target


def _guardrail(settings: Mapping[str, Any]) -> dict[str, str]:
    return {
        "guardrailIdentifier": settings["guardrail_identifier"],
        "guardrailVersion": settings["guardrail_version"],
    }


def _object(body: bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Garbled: it is none.
    """
    try:
        value = strictjson.loads_lenient(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Garbled("The host's answer is no JSON object.")
    return value
