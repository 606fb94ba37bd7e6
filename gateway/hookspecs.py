"""The hooks, in the order in which a gateway's life and then a request meet them.

Each text says when, who implements it, what may be changed, what the return value means, and what stops the call.
A plugin is a class; its methods carry ``@hookimpl`` and name only the arguments that they use. Order never decides:
what plugins return is gathered, and what they write they own.
"""

# mypy: disable-error-code="empty-body"
# A specification is its signature and its text; it has no body.

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import click
import pluggy

from gateway.call import Call, Principal
from gateway.catalog import Rows
from gateway.hold import Hold
from gateway.ledger import Entry
from gateway.params import Claim
from gateway.pricing import Bill, Factor
from gateway.provider import Provider
from gateway.relay import Filter
from gateway.replay import Claim as SavedClaim
from gateway.surface import Surface
from gateway.usage import Pass

if TYPE_CHECKING:  # the core stays importable where only the command line or the SDK is wanted
    from flask import Blueprint

hookspec = pluggy.HookspecMarker("gateway")
hookimpl = pluggy.HookimplMarker("gateway")


Factors = Factor | str | Iterable[Factor | str]
"""A factor, the reason of one whose number stands in the catalog, or several of either."""

# ---------------------------------------------------------------------------------------------------- startup


@hookspec
def register_params() -> Iterable[Claim]:
    """When: at startup. Who: features, and surfaces for parameters of their own.

    Return the parameters, variants and beta tokens that the plugin owns. Two owners of one name stop startup.
    """


@hookspec
def register_catalog() -> Rows:
    """When: at startup. Who: providers (models, meters, betas) and features (grants, factors).

    Return dated rows, usually ``catalog.rows(__package__)``. Rows that overlap stop startup.
    """


@hookspec
def register_provider() -> Provider:
    """When: at startup. Who: providers.

    Return the object that speaks to one kind of host. Its ``name`` is unique; a second one stops startup.
    """


@hookspec
def register_surface() -> Surface:
    """When: at startup. Who: surfaces.

    Return the object that speaks to one kind of client. Its paths are unique; a second owner stops startup.
    """


@hookspec
def register_views() -> "Blueprint":
    """When: at startup. Who: infrastructure.

    Return a Flask blueprint for views of its own. They ask for the operator's key unless the view function says
    ``access = "key"`` or ``access = "open"``.
    """


@hookspec
def register_commands() -> Sequence[click.Command]:
    """When: the command line starts. Who: infrastructure.

    Return commands that appear beside the built-in ones. A name that is taken stops the command line.
    """


# -------------------------------------------------------------------------------------------------- a request


@hookspec(firstresult=True)
def authenticate_request(credential: str | None, headers: Mapping[str, str]) -> Principal | None:
    """When: first, before a byte of the body is parsed. Who: infrastructure.

    ``credential`` is the one key that the request carries, ``headers`` have lower-case names. Return who it is, or
    None to let the next plugin look; stops at the first answer. Nobody knows it: 401. Raise ``Forbidden`` or
    ``RateLimited`` to refuse a key that is known.
    """


@hookspec(firstresult=True)
def claim_answer(call: Call, key: str) -> SavedClaim | None:
    """When: a request that wants no stream carries ``idempotency-key``, before it is routed. Who: infrastructure.

    Return a claim: either the answer that was given before, or the right to give the first one, which is kept or
    released at the end. None leaves the key without effect. Raise ``Conflict`` if the key belongs to another request.
    """


@hookspec
def admit_call(call: Call, estimate: Bill | None) -> Hold | None:
    """When: before the first byte goes upstream. Who: keys, budgets, limits.

    ``call`` is read-only; ``estimate`` is what it may cost at most, None when nobody knows. Return a hold, or None
    without an opinion. Raise a ``Refusal`` to stop the call; holds of other plugins are then released.
    """


@hookspec
def prepare_request(call: Call) -> None:
    """When: for each attempt, its deployment known, before the check. Who: features that add something.

    ``call`` is the attempt's own copy, ``call.grants`` what its deployment can do: write what the plugin claims with
    ``call.set``, ``call.remove`` and ``call.add_betas``, nothing else; ``call.add_need`` passes over a deployment that
    lacks what only shows here. The return value is ignored. Raise an ``InvalidRequest`` to stop the call.
    """


@hookspec
def start_attempt(entry: Entry) -> None:
    """When: once per attempt, right before the first byte may leave for the host. Who: infrastructure.

    ``entry`` is what has to stand if this process dies now: outcome ``unknown``, estimated at the most that the attempt
    can cost. Write it where that survives; ``record_entry`` of the same attempt replaces it. The return value is
    ignored. Raise a ``Refusal`` to stop the call.
    """


@hookspec
def filter_events(call: Call) -> Filter | None:
    """When: once per call. Who: features that change the answer.

    Return a ``Filter`` that names the events and block types it wants, or None. What it returns for an event
    replaces the event; frames that nobody wants pass as the bytes that came.
    """


@hookspec
def adjust_cost(call: Call, usage: Pass, served: Mapping[str, str]) -> Factors | None:
    """When: at settlement, once per pass. Who: features that price.

    Pure: ``usage`` holds the tokens of the pass, ``served`` the facts as the host served them, and ``prompt`` for a
    pass longer than what the base rates pay for. Return a factor, or its reason when the number stands in the catalog;
    None changes nothing. Factors multiply, so order cannot matter. An exception leaves the entry unpriced, never
    cheaper.
    """


@hookspec
def record_entry(entry: Entry) -> None:
    """When: last, once per attempt. Who: infrastructure.

    Write or count the entry. Each plugin is called by itself: what one raises is logged and stops no other.
    """


# ---------------------------------------------------------------------------------------- beside the requests


@hookspec
def recover_entries() -> Iterable[Entry]:
    """When: at the start of every process that serves, and every few seconds. Who: infrastructure.

    Return entries of attempts whose process died before it settled them, each once over all processes. The core hands
    them to everybody's ``record_entry``. Has to be cheap when there are none.
    """


@hookspec
def report_health() -> str | None:
    """When: somebody asks for readiness. Who: infrastructure.

    Return a reason, for operators and without secrets, why this process should get no traffic; None when it may.
    Answer from what is known already: nobody waits for a database here.
    """


REQUEST_HOOKS = (
    "authenticate_request",
    "claim_answer",
    "admit_call",
    "prepare_request",
    "start_attempt",
    "filter_events",
    "adjust_cost",
    "record_entry",
)
STARTUP_HOOKS = (
    "register_params",
    "register_catalog",
    "register_provider",
    "register_surface",
    "register_views",
    "register_commands",
)
STANDING_HOOKS = ("recover_entries", "report_health")
