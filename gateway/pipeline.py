"""The corridor: what happens to a request, in order, on one screen."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway import strictjson
from gateway.attempts import Attempts
from gateway.auth import read_credential, unauthenticated
from gateway.call import Call, Deployment, LeftOut, Principal, new_id
from gateway.errors import ClientLeft, GatewayError, UnsupportedCapability
from gateway.hold import Hold, left, release, spared
from gateway.params import Claims, Verdict
from gateway.replay import HEADER as IDEMPOTENCY_KEY
from gateway.replay import Claim, Saved
from gateway.reply import Door, Reply
from gateway.routing import Routing
from gateway.surface import Action, Surface

log = logging.getLogger(__name__)

NOT_FORWARDED = "The operator does not let the clients' betas through."
NO_COUNTERPART = "It is a hint, and the Messages API has no counterpart."

Authenticate = Callable[[str | None, Mapping[str, str]], Principal | None]
Admit = Callable[[Call, Sequence[Deployment]], list[Hold]]


@dataclass(frozen=True)
class Pipeline:
    """The stages of a request, each built once at startup.

    Attributes:
        authenticate: who asks, by the first plugin that knows.
        claims: who owns which parameter.
        routing: where a model name is served.
        admit: takes the holds of every plugin that has an opinion.
        attempts: prepares, sends and relays.
        claim: asks whether a request was answered before under its idempotency key.
        forward_betas: whether the client's beta header travels.
        forwarded_headers: further client headers that travel.
    """

    authenticate: Authenticate
    claims: Claims
    routing: Routing
    admit: Admit
    attempts: Attempts
    claim: Callable[[Call, str], Claim | None] = lambda _call, _key: None
    forward_betas: bool = False
    forwarded_headers: tuple[str, ...] = ()

    def serve(self, surface: Surface, action: Action, door: Door) -> None:
        """Answer one request. Whatever goes wrong is told to the client in its own words; nothing is raised."""
        reply = Reply(door, surface, new_id())
        try:
            self.answer(surface, action, reply)
        except ClientLeft:
            log.info("%s: the client left", reply.call_id)
        except GatewayError as error:
            self._tell(reply, error)
        except Exception:  # the client gets an answer and an id, the operator gets the reason
            log.exception("%s: unexpected", reply.call_id)
            self._tell(reply, GatewayError(f"Something went wrong in the gateway; its log names {reply.call_id}."))

    def answer(self, surface: Surface, action: Action, reply: Reply, principal: Principal | None = None) -> None:
        """Answer one request, or raise why not; a caller inside the process says who asks."""
        headers = reply.door.headers
        principal = principal or self.principal(headers)
        asked = strictjson.loads_object(reply.door.body())
        call = self.describe(reply.call_id, principal, surface, action, asked, headers)
        reply.answer_to(call)
        if action == "count":
            call, candidates = self.route(call)
            reply.json(strictjson.dumps(self.attempts.count(call, candidates, reply)))
            return
        with self._claimed(call, reply) as saved:
            if saved is None:
                self._create(call, reply)

    def _create(self, call: Call, reply: Reply) -> None:
        call, candidates = self.route(call)
        holds = self.admit(call, candidates)
        try:
            for hold in holds:
                reply.headers.update(hold.headers)
            reply.tell_limits(left(holds))
            self.attempts.run(call, candidates, reply, holds)
        finally:
            release(holds)

    @contextmanager
    def _claimed(self, call: Call, reply: Reply) -> Iterator[Saved | None]:
        """The answer that was given before under the request's idempotency key, sent; else what comes now is kept."""
        key = reply.door.headers.get(IDEMPOTENCY_KEY, "")
        claim = self.claim(call, key) if key and not call.stream else None
        saved = claim.saved if claim else None
        if saved is not None:
            reply.replay(saved)
        if claim is None or saved is not None:
            yield saved
            return
        try:
            yield None
        finally:  # a client that left meanwhile asks again
            with spared(f"the answer of call {call.id} could not be kept"):
                if reply.whole is None:
                    claim.release()
                else:
                    claim.keep(reply.whole)

    def principal(self, headers: Mapping[str, str]) -> Principal:
        """Who asks.

        Raises:
            Unauthenticated: nobody that a plugin knows.
        """
        principal = self.authenticate(read_credential(headers), headers)
        if principal is None:
            raise unauthenticated()
        return principal

    def route(self, call: Call) -> tuple[Call, list[Deployment]]:
        """Where a call can be served, and what is left of it once everything is out that may be left out.

        Raises:
            UnknownModel, Forbidden, UnsupportedCapability: nowhere.
        """
        while True:
            try:
                return call, self.routing.candidates(call)
            except UnsupportedCapability as error:
                call = self.claims.without(call, error)

    def describe(
        self,
        call_id: str,
        principal: Principal,
        surface: Surface,
        action: Action,
        asked: dict[str, Any],
        headers: Mapping[str, str],
    ) -> Call:
        """The call: the canonical body, checked, and everything that the claims say of it.

        Raises:
            InvalidRequest: the body is not what the surface or a claim expects.
        """
        reading = surface.read(asked, headers)
        optional = surface.optional
        if action == "count":
            optional |= self.claims.uncounted
            for name in self.claims.uncounted & {*reading.body}:
                del reading.body[name]
        verdict = self.claims.check(surface.name, asked, reading.body, optional)
        self.claims.leave_out(reading.unsupported, verdict)
        verdict.left_out += [LeftOut("ignored-params", name, NO_COUNTERPART) for name in reading.ignored]
        dialect = self.claims.dialect
        self._read_betas([*reading.betas, *_tokens(headers.get(dialect.betas_header, ""))], verdict)
        return Call(
            id=call_id,
            at=datetime.now(UTC),
            principal=principal,
            surface=surface.name,
            model=reading.model,
            asked=asked,
            body=reading.body,
            stream=reading.stream and action == "create",
            betas=verdict.betas,
            version=reading.version or dialect.default_version,
            headers={name: headers[name] for name in self.forwarded_headers if name in headers},
            needs=tuple(verdict.needs),
            tied=verdict.tied,
            unread=tuple(verdict.unread),
            left_out=tuple(verdict.left_out),
        )

    def _read_betas(self, tokens: list[str], verdict: Verdict) -> None:
        """The client's tokens, where the operator lets them through; and those that go with core fields."""
        if self.forward_betas:
            self.claims.read_betas(tokens, verdict)
        else:
            verdict.left_out += [LeftOut("dropped-betas", token, NOT_FORWARDED) for token in tokens]
        for choice in verdict.tied.values():
            verdict.betas += [] if {*choice} & {*verdict.betas} else [choice[0]]

    def _tell(self, reply: Reply, error: GatewayError) -> None:
        try:
            reply.fail(error)
        except ClientLeft:
            log.info("%s: the client left before it could be told: %s", reply.call_id, error.message)
        except Exception:  # nothing is raised from here, whatever the error holds
            log.exception("%s: the client could not be told", reply.call_id)


def _tokens(header: str) -> list[str]:
    """The tokens of a comma list; a header that came twice is joined by commas too."""
    return [token for token in (part.strip() for part in header.split(",")) if token]
