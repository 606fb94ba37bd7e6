"""Three books, one truth, and the budgets that follow from it: every difference between what clients saw, what the host did and what the ledger says."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import zip_longest

from tests.books import tariff
from tests.books.client import Transcript
from tests.books.entries import Row
from tests.books.host import Truth
from tests.books.plan import Order

KINDS = ("missing", "duplicate", "unexplained", "over", "under")
PROMPT = ("input", "cache_write_5m", "cache_write_1h", "cache_read")
SLACK = 12
"""Tokens by which two ways to write one request may differ."""


@dataclass(frozen=True)
class Books:
    """The three books of one run.

    Attributes:
        tenants: who asks, by name.
        counted: what was counted against each owner's budget, and what is still held.
        killed: a worker was.
        recovered: seconds after which all that had reached the host until then had an entry.
    """

    transcripts: dict
    truths: tuple
    rows: tuple
    tenants: dict
    counted: dict
    killed: bool = False
    recovered: float = 0.0


@dataclass(frozen=True)
class Finding:
    """A difference."""

    kind: str
    marker: str
    why: str

    def __str__(self):
        return f"{self.kind}: {self.marker}: {self.why}"


def report(found):
    """A line that sums up, and one for each difference."""
    count = Counter(one.kind for one in found)
    return "\n".join([", ".join(f"{kind} {count[kind]}" for kind in KINDS), *map(str, found)])


def reconcile(books):
    """All differences."""
    truths, rows = defaultdict(list), defaultdict(list)
    for truth in books.truths:
        truths[truth.marker].append(truth)
    for row in books.rows:
        rows[row.model].append(row)
    found = [
        Finding("unexplained", name, "a call or an entry of nobody's")
        for name in [*truths, *rows]
        if name not in books.transcripts
    ]
    for name, transcript in books.transcripts.items():
        found += _call(books, transcript, truths[name], rows[name])
    return found


def budgets(books):
    """Against a budget counts what the entries of its keys cost, and at the end nothing is held: all differences."""
    found = []
    for name, tenant in books.tenants.items():
        spent, held = books.counted.get(tenant.owner, (0, 0))
        cost = sum(row.cost or 0 for row in books.rows if row.key_id == tenant.key_id)
        told = [*_differ("spent", spent, cost), *_differ("still held", held, 0)]
        found += [Finding(kind, name, why) for kind, why in told]
    return found


def _call(books, transcript, truths, rows):
    lost = books.killed and bool(transcript.lost)
    key = books.tenants[transcript.order.tenant].key_id
    found = [Finding(kind, transcript.order.marker, why) for kind, why in _client(transcript, truths, rows, lost)]
    for truth, row in zip_longest(truths, rows):
        found += [Finding(kind, transcript.order.marker, why) for kind, why in _pair(transcript, truth, row, lost, key)]
    return found


def _client(transcript, truths, rows, lost):
    """What the client saw has to have a reason in the other books."""
    if not (transcript.whole or transcript.told_why or transcript.left or lost):
        yield "unexplained", f"the client got neither an end nor an error: {transcript.lost}"
    if transcript.whole and not truths:
        yield "unexplained", "the client got an answer that no host gave"
    if transcript.told_why and not (truths or rows or transcript.order.refused):
        yield "unexplained", f"the gateway refused what it had to serve: {transcript.status} {transcript.body[:200]}"
    if transcript.order.refused and (truths or transcript.status == 200):
        yield "unexplained", "what has to be refused was not"
    if transcript.whole and rows and rows[-1].outcome != "complete":
        yield "unexplained", f"the client got a whole answer, and the ledger says {rows[-1].outcome}"
    if transcript.told_why and rows and rows[-1].outcome == "complete":
        yield "unexplained", "the client got an error, and the ledger says complete"
    if transcript.whole and transcript.cost is None:
        yield "unexplained", "the client was not told the cost"
    if transcript.cost is not None and rows:
        yield from _differ("the client was told another", sum(row.cost for row in rows), transcript.cost * 10**12)


def _pair(transcript, truth, row, lost, key):
    if row is None:
        yield "missing", f"call {truth.request_id}, {truth.status}, has no entry"
    elif truth is None:
        yield from _alone(transcript, row, lost)
    else:
        yield from Pair(transcript.order, transcript, truth, row, lost, key).differences()


def _alone(transcript, row, lost):
    """An entry without a call stands only where nobody in the gateway can know whether there was one.

    Its worker was killed right before; or it was sent over a kept connection that the host was about to close, which
    the client was told.
    """
    open_to_doubt = row.outcome == "unknown" and row.estimated and not row.request_id
    told = transcript.told_why and transcript.call_id == row.call_id
    if not transcript.order.refused and open_to_doubt and (lost or told):
        return
    reached = not transcript.order.refused
    yield "duplicate" if reached else "unexplained", f"entry {row.call_id}, {row.outcome}, has no call: {row.error}"


def _differ(what, says, should):
    if says != should:
        yield "over" if says > should else "under", f"{what}: {says} instead of {should}"


@dataclass(frozen=True)
class Pair:
    """A call, and its entry."""

    order: Order
    transcript: Transcript
    truth: Truth
    row: Row
    lost: bool
    key: str

    def differences(self):
        yield from self._names()
        yield from self._outcome()
        yield from self._amounts()

    def _names(self):
        row, transcript = self.row, self.transcript
        if row.key_id != self.key:
            yield "unexplained", f"the entry is {row.key_id}'s, the call was {self.key}'s"
        if transcript.call_id and row.call_id != transcript.call_id:
            yield "unexplained", f"the entry is of call {row.call_id}, the client's was {transcript.call_id}"
        if not self._is_the_hosts(row.request_id, needed=row.outcome in ("complete", "refused")):
            yield "unexplained", f"the entry is of the host's {row.request_id}, the call was {self.truth.request_id}"
        if not self._is_the_hosts(transcript.request_id):
            yield "unexplained", f"the client was told the host's {transcript.request_id}"

    def _is_the_hosts(self, told, *, needed=False):
        """It is the host's id of the call; half of one is taken, for now, where the host broke off within its head."""
        if not told:
            return not needed
        halved = self._by_the_wire and self.truth.request_id.startswith(told)
        return halved or told == self.truth.request_id

    @property
    def _by_the_wire(self):
        """The host broke off at any byte: within its head, or behind an event that its book leaves out then."""
        return "of=wire" in self.order.scenario

    def _outcome(self):
        """How the attempt ended, by the ledger, has to have a reason in the other books."""
        row, truth = self.row, self.truth
        excused = self.order.breaks or self.transcript.left or self.lost
        reasons = {"complete": truth.whole, "refused": truth.refused}
        if not reasons.get(row.outcome, excused):
            yield "unexplained", f"the ledger says {row.outcome} ({row.error}), the host {truth.status} {truth.events}"
        if row.outcome in ("cut", "failed", "unknown") and not (row.estimated or truth.whole):
            yield "unexplained", f"{row.outcome}, and not said to be estimated"

    def _amounts(self):
        row = self.row
        if row.cost is None:
            yield "unexplained", f"no bill: {row.unpriced}"
            return
        yield from _differ("cost is not the sum of its lines", row.cost, sum(line.amount for line in row.lines))
        if row.outcome == "refused":
            yield from _differ("a refused call", row.cost, 0)
        elif row.estimated and row.outcome != "complete":
            yield from self._estimate()
        else:
            yield from self._exact()

    def _exact(self):
        """What the host's last word on usage costs."""
        told = tariff.bill(self.order.family, self.truth.usage)
        odd = {where for where, line in told.items() if line is None}
        if bool(odd) != bool(self.row.unpriced) or bool(odd) != self.row.estimated:
            yield "unexplained", f"unpriced {self.row.unpriced}, estimated {self.row.estimated}, but odd is {odd}"
        known = {where: line for where, line in told.items() if where not in odd}
        says = {(line.label, line.kind): (line.quantity, line.amount) for line in self.row.lines}
        yield from self._prices()
        for where in sorted({*known, *says} - odd):
            yield from _differ(f"{where}", says.get(where, (0, 0)), known.get(where, (0, 0)))

    def _prices(self):
        """Each line costs what its quantity costs."""
        asked = {name: self.truth.asked.get(name) for name in ("speed", "inference_geo")}
        facts = self.truth.usage if "speed" in self.truth.usage else asked
        prompts = Counter()
        for line in self.row.lines:
            prompts[line.label] += line.quantity if line.kind in PROMPT else 0
        for line in self.row.lines:
            price = tariff.amount(self.order.family, line.kind, line.quantity, facts, prompts[line.label])
            yield from _differ(f"{line.quantity} {line.kind}", line.amount, price)

    def _estimate(self):
        """The prompt as told, and no less output than was delivered; nothing beyond what the call could have used."""
        yield from self._prices()
        quantities = Counter()
        for line in self.row.lines:
            quantities[line.kind] += line.quantity
        low, high = self._output()
        if not low <= quantities["output"] <= high:
            kind = "over" if quantities["output"] > high else "under"
            yield kind, f"{self.row.outcome}: output {quantities['output']} is not between {low} and {high}"
        yield from self._prompt({kind: quantities[kind] for kind in PROMPT if quantities[kind]})

    def _output(self):
        delivered, told = tariff.tokens(self.transcript.said), self._told().get("output", 0)
        if self.row.outcome == "unknown":
            return delivered, self.truth.asked["max_tokens"]
        sent = max(told, tariff.tokens(self.truth.said))
        return delivered, max(sent, delivered) if self._by_the_wire else sent

    def _prompt(self, says):
        told = {kind: count for kind, count in self._told().items() if kind in PROMPT}
        if told and says == told:
            return
        if self._certain:
            yield from _differ("prompt", sum(says.values()), sum(told.values()))
            yield "unexplained", f"the prompt is {says} instead of {told}"
        elif not 0 < sum(says.values()) <= len(self.truth.body) // 3 + SLACK:
            yield (
                "over" if says else "under",
                f"{self.row.outcome}: a prompt of {says} for {len(self.truth.body)} bytes",
            )

    @property
    def _certain(self):
        """The gateway has read the size of the prompt."""
        if not self.order.stream or not self.truth.started or self.row.outcome == "unknown":
            return False
        stayed = not self.transcript.left and not self.lost
        return self.transcript.said > 0 or (self.order.orderly and stayed)

    def _told(self):
        told = Counter()
        for (_, kind), line in tariff.bill(self.order.family, self.truth.usage).items():
            told[kind] += line[0] if line else 0
        return told
