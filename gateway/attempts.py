"""Attempts: from a call and its candidates to one answer, sent on its way to the client.

prepare -> check -> encode -> sign -> send -> decode -> relay. A failed attempt is settled like any other.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from gateway.attachment import Attachments, Watching
from gateway.call import Call, Deployment
from gateway.capability import Capabilities
from gateway.drain import Drain
from gateway.errors import (
    Forbidden,
    GatewayError,
    UnsupportedCapability,
    UpstreamRefused,
    visible,
)
from gateway.estimate import prompt_tokens
from gateway.hold import Hold, spared
from gateway.ledger import Entry, Outcome, Report, Settlement, Timings
from gateway.pricing import Bill
from gateway.provider import Outbound, Provider
from gateway.redaction import Redaction
from gateway.relay import Filter, Relay
from gateway.reply import Reply
from gateway.sse import Event
from gateway.transport import Answer, Transport
from gateway.usage import Usage
from gateway.watch import Timeouts, Watch

FALLBACK_OUTPUT = 4096
"""Output tokens allowed when neither the client nor the catalog says."""

OK = 200


@dataclass(frozen=True)
class Prepared:
    """A call made ready for one deployment.

    Attributes:
        redaction: takes out of the host's words what a client must not see.
    """

    call: Call
    provider: Provider
    outbound: Outbound
    redaction: Redaction


class Attempts:
    """Makes attempts.

    Args:
        providers: by name.
        transport: the door to the hosts.
        capabilities: what deployments have, and which betas that takes.
        prepare: lets every feature write what it claims.
        relent: leaves out of a call what no deployment can serve, or raises.
        filters: asks every feature what it wants of the answer.
        settlement: prices and records.
        timeouts: the patience with a host.
        drain: ends what is left when the process does.
        attachments: brings what stands behind a URL to hosts that take bytes only.
        redacts: whether hosts, accounts and projects are taken out of what a host says.
        start: told of every attempt right before it may cost something; None when nobody wants to know.
    """

    def __init__(
        self,
        providers: Mapping[str, Provider],
        transport: Transport,
        capabilities: Capabilities,
        *,
        prepare: Callable[[Call], None],
        relent: Callable[[Call, UnsupportedCapability], Call],
        filters: Callable[[Call], Sequence[Filter]],
        settlement: Settlement,
        timeouts: Timeouts,
        drain: Drain | None = None,
        attachments: Attachments | None = None,
        redacts: bool = True,
        start: Callable[[Entry], None] | None = None,
    ) -> None:
        self._providers = providers
        self._transport = transport
        self._capabilities = capabilities
        self._prepare = prepare
        self._relent = relent
        self._filters = filters
        self._settlement = settlement
        self._timeouts = timeouts
        self._drain = drain
        self._attachments = attachments or Attachments()
        self._redacts = redacts
        self._start = start

    def run(self, call: Call, candidates: Sequence[Deployment], reply: Reply, holds: Sequence[Hold] = ()) -> Entry:
        """Answer the call by the first candidate that can take it; every entry settles the holds.

        Raises:
            Refusal: no candidate can.
            UpstreamError: the host failed; the attempt is settled, the client is not told yet.
            ClientLeft: nobody is there any more; the attempt is settled.
        """
        prepared = self.prepare(call, candidates, watch=partial(self._watch, reply))
        settle = partial(self._settle, holds)
        attempt = _Attempt(self._transport, settle, self._watch(reply), prepared, reply, number=1)
        return attempt.run(self._filters(prepared.call), self._announce)

    def most(self, call: Call) -> Usage:
        """The most that a call can reasonably use at its deployment."""
        return _most(call.body, self._capabilities.max_output(call.host) or FALLBACK_OUTPUT)

    def _announce(self, report: Report) -> None:
        """Let whoever wants to write it down know what stands if this process dies now."""
        if self._start is not None:
            self._start(self._settlement.provisional(report, self.most(report.call)))

    def estimate(self, call: Call, usage: Usage) -> tuple[Bill | None, tuple[str, ...]]:
        """What a call would cost at its deployment if it used so much, and what of it nobody can price."""
        return self._settlement.estimate(call, usage, self._providers[call.host.provider].served(call))

    def _watch(self, reply: Reply, timeouts: Timeouts | None = None) -> Watch:
        timeouts = timeouts or self._timeouts
        return Watch(replace(timeouts, keepalive=self._timeouts.keepalive), reply, drain=self._drain)

    def _settle(self, holds: Sequence[Hold], report: Report, usage: Usage) -> Entry:
        entry = self._settlement.settle(report, usage)
        for hold in holds:
            with spared(f"a hold could not be settled for call {entry.call_id}"):
                hold.settle(entry)
        return entry

    def count(self, call: Call, candidates: Sequence[Deployment], reply: Reply) -> dict[str, Any]:
        """Count the prompt's tokens at the host; costs nothing and leaves no entry."""
        prepared = self.prepare(call, candidates, counting=True, watch=partial(self._watch, reply))
        reply.tell_left_out(prepared.call)
        auth = prepared.provider.auth(prepared.call.host)
        answer = self._transport.send(prepared.outbound, auth, self._watch(reply))
        try:
            if answer.status != OK:
                raise as_error(prepared, answer)
            return prepared.provider.read_count(answer.read())
        finally:
            answer.close()

    def prepare(
        self,
        call: Call,
        candidates: Sequence[Deployment],
        *,
        counting: bool = False,
        watch: Watching | None = None,
    ) -> Prepared:
        """Make the call ready for the first candidate that has everything that it needs once it is prepared."""
        while True:
            lacks: dict[str, GatewayError] = {}
            for deployment in candidates:
                try:
                    return self.fit(call, deployment, counting=counting, watch=watch)
                except (UnsupportedCapability, Forbidden) as error:
                    lacks[deployment.id] = error
            call = self.relented(call, lacks)

    def relented(self, call: Call, lacks: Mapping[str, GatewayError]) -> Call:
        """The call without something that a deployment lacks, if anything may be left out.

        ``lacks`` says by ids why it fits none of its candidates; chance does not decide which of them counts.

        Raises:
            UnsupportedCapability, Forbidden: nothing may be left out.
        """
        errors = [lacks[name] for name in sorted(lacks)]
        for error in errors:
            if isinstance(error, UnsupportedCapability):
                with suppress(UnsupportedCapability):
                    return self._relent(call, error)
        raise errors[0] if errors else LookupError("no candidates")

    def fit(
        self, call: Call, deployment: Deployment, *, counting: bool = False, watch: Watching | None = None
    ) -> Prepared:
        """Make the call ready for one deployment; without a ``watch``, nothing is fetched for it.

        Raises:
            UnsupportedCapability: it lacks something that the call needs.
            InvalidRequest: it cannot be put into the host's words, or a URL gave nothing.
            Forbidden: the key may not use something that the call needs there.
        """
        there = call.toward(deployment, self._capabilities.grants(deployment))
        if not counting and there.body.get("max_tokens") is None:
            there.body["max_tokens"] = self._capabilities.max_output(deployment) or FALLBACK_OUTPUT
        self._prepare(there)
        provider = self._providers[deployment.provider]
        self._capabilities.check(there, provider)
        if not provider.takes_urls:
            self._attachments.bring(there, watch)
        outbound = (provider.encode_count if counting else provider.encode)(there)
        return Prepared(
            there, provider, outbound, Redaction(partial(provider.private, deployment), off=not self._redacts)
        )


class _Attempt:
    """One attempt under way."""

    def __init__(
        self,
        transport: Transport,
        settle: Callable[[Report, Usage], Entry],
        watch: Watch,
        prepared: Prepared,
        reply: Reply,
        *,
        number: int,
    ) -> None:
        self._transport = transport
        self._settle_report = settle
        self._watch = watch
        self._call = prepared.call
        self._provider = prepared.provider
        self._prepared = prepared
        self._reply = reply
        self._number = number
        self._began = time.monotonic()
        self._first_byte: float | None = None
        self._request_id = ""

    def run(self, filters: Sequence[Filter], announce: Callable[[Report], None]) -> Entry:
        """Announce, send, relay, settle."""
        self._describe()
        prompt = partial(prompt_tokens, self._call.body)
        relay = Relay(self._reply, filters, self._settle, prompt, self._prepared.redaction)
        try:
            announce(self._report("unknown", ""))
            answer = self._send()
        except BaseException as error:
            relay.broke(error, sent=self._watch.sent, answered=False)
            raise
        try:
            entry = relay.run(self._bursts(answer), stream=self._call.stream)
            answer.finish()
            return entry
        finally:
            answer.close()

    def _send(self) -> Answer:
        answer = self._transport.send(self._prepared.outbound, self._provider.auth(self._call.host), self._watch)
        self._request_id = self._provider.request_id(answer.headers)
        if self._request_id:
            self._reply.headers["gateway-upstream-request-id"] = visible(self._request_id)
        if answer.status != OK:
            try:
                raise as_error(self._prepared, answer)
            finally:
                answer.close()
        return answer

    def _describe(self) -> None:
        """Say where the call goes; a second attempt says it anew."""
        host = self._call.host
        self._reply.headers |= {
            "gateway-deployment": visible(host.id),
            "gateway-upstream-model": visible(host.shown),
            "gateway-attempts": str(self._number),
        }
        self._reply.tell_left_out(self._call)

    def _bursts(self, answer: Answer) -> Iterator[list[Event]]:
        """The answer's events; the provider is asked by the relay, which settles whatever goes wrong from then on."""
        for burst in self._provider.events(self._call, answer):
            if self._first_byte is None:
                self._first_byte = time.monotonic()
            yield burst

    def _settle(self, usage: Usage, outcome: Outcome, error: str) -> Entry:
        report = self._report(outcome, error)
        self._reply.headers["gateway-overhead-ms"] = f"{report.timings.ours:.2f}"
        return self._settle_report(report, usage)

    def _report(self, outcome: Outcome, error: str) -> Report:
        return Report(
            call=self._call,
            number=self._number,
            outcome=outcome,
            timings=self._timings(),
            upstream_request_id=self._request_id,
            stated=partial(self._provider.served, self._call),
            error=error,
        )

    def _timings(self) -> Timings:
        total = time.monotonic() - self._began
        first = None if self._first_byte is None else round((self._first_byte - self._began) * 1000, 3)
        ours = time.monotonic() - self._reply.began - self._watch.waited
        return Timings(first, round(total * 1000, 3), round(ours * 1000, 3))


def as_error(prepared: Prepared, answer: Answer) -> UpstreamRefused:
    """A host's error answer as an error of ours."""
    fault = prepared.provider.fault(answer.status, answer.headers, answer.read_fault())
    error = fault.error(prepared.redaction)
    if fault.ours and prepared.provider.refused(prepared.call.host):
        error.should_retry = True
    return error


def _most(body: Mapping[str, Any], max_output: int) -> Usage:
    """The most that a call can reasonably use.

    A third above the probable prompt, all of it written to the cache for an hour, which is the dearest kind of input;
    and all the output that the call allows, or else ``max_output``.
    """
    prompt = prompt_tokens(body) * 4 // 3
    allowed = body.get("max_tokens")
    return Usage(
        raw={
            "cache_creation_input_tokens": prompt,
            "cache_creation": {"ephemeral_1h_input_tokens": prompt},
            "output_tokens": max_output if allowed is None else allowed,
        }
    )
