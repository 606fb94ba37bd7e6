"""The plan of a storm: what every client asks for, what the host does with it, and who leaves when. All of it seeded."""

import random
from dataclasses import dataclass, field

TENANTS = ("red", "green", "blue")
"""Who asks."""

PAGES = [f"Page {number}. " + "The quick brown fox jumps over the lazy dog. " * 12 for number in range(6)]
"""What is put into the prompt cache, again and again."""

LASTING = ("opus", "haiku")
STATUSES = (400, 401, 403, 404, 413, 429, 500, 503, 529)


@dataclass(frozen=True)
class Leave:
    """When a client leaves: while it ``asks``, so long after it ``asked``, or having ``read`` so many bytes."""

    moment: str
    after: float
    how: str = "fin"


@dataclass(frozen=True)
class Order:
    """One call.

    Attributes:
        scenario: what the host is asked to do.
        facts: further fields of the body.
        breaks: the host's answer may come to no good end.
        orderly: all of what the host sent arrives, though it is not the whole.
        refused: the gateway itself refuses it, for this reason.
    """

    number: int
    tenant: str
    surface: str = "messages"
    family: str = "opus"
    stream: bool = True
    scenario: str = ""
    facts: dict = field(default_factory=dict)
    breaks: bool = False
    orderly: bool = False
    refused: str = ""
    leave: Leave | None = None

    @property
    def marker(self):
        """In every book: the name that the client asks for, a word of its prompt, the entry's model."""
        return f"{self.family}-{self.number:05}"

    @property
    def body(self):
        words = f"<{self.marker}>" + (f" [[sim:{self.scenario}]]" if self.scenario else "")
        facts = dict(self.facts)
        page = facts.pop("page", None)
        turn = {"role": "user", "content": words}
        body = {"model": self.marker, "max_tokens": 900, "stream": self.stream, **facts, "messages": [turn]}
        if page and self.surface == "chat":
            body["messages"] = [{"role": "system", "content": [page]}, turn]
        elif page:
            body["system"] = [page]
        if self.surface == "chat" and self.stream:
            body["stream_options"] = {"include_usage": True}
        if self.refused == "invalid":
            body["max_tokens"] = "many"
        if self.refused == "unknown":
            body["model"] = f"nowhere-{self.number}"
        return body


def orders(seed, count, *, kill_at=None):
    """So many calls; those just before ``kill_at`` are slow, so that somebody is there to be hit."""
    chance = random.Random(seed)
    made = [_order(number, chance) for number in range(count)]
    for number in range(max((kill_at or 0) - 12, 0), kill_at or 0):
        made[number] = _slow(number, chance)
    return made


def _order(number, chance):
    if chance.random() < 0.1:
        return _leaver(number, chance)
    kinds = {_ordinary: 46, _refused_by_host: 13, _broken: 25, _tried: 8, _odd: 4, _refused_by_us: 4}
    make = chance.choices(list(kinds), list(kinds.values()))[0]
    return Order(**_someone(number, chance) | make(chance))


def _someone(number, chance):
    return {
        "number": number,
        "tenant": chance.choice(TENANTS),
        "surface": chance.choice(("messages", "chat")),
        "family": chance.choice(LASTING),
        "stream": chance.random() < 0.6,
    }


def _slow(number, chance):
    at = chance.choice(("before_headers", "after_message_start", "mid_text"))
    return Order(**_someone(number, chance) | {"scenario": f"silence seconds=3 at={at}", "stream": True})


def _leaver(number, chance):
    how = chance.choice(("fin", "rst"))
    moment = chance.choices(("asks", "asked", "read"), (1, 4, 5))[0]
    dripping = "long words=80 drip=100 ms=4"
    if moment == "read":
        facts = {"stream": True, "scenario": dripping, "leave": Leave(moment, chance.randrange(1, 9000), how)}
    else:
        at = chance.choice(("before_headers", "after_message_start", "mid_text"))
        scenario = chance.choice((dripping, f"silence seconds=1 at={at}"))
        facts = {"scenario": scenario, "leave": Leave(moment, chance.random() * 0.4, how)}
    return Order(**_someone(number, chance) | facts)


def _ordinary(chance):
    choices = [{"scenario": words} for words in PLAIN]
    choices += [
        {"facts": {"page": _page(chance)}},
        {"facts": {"page": _page(chance)}},
        {"facts": {"speed": "fast"}, "family": "opus"},
        {"facts": {"inference_geo": "us"}, "family": "opus"},
        {"facts": {"speed": "fast", "page": _page(chance)}, "family": "opus"},
        {"scenario": f"usage input_tokens={chance.randrange(190_000, 260_000)} output_tokens=77", "family": "opus"},
    ]
    return chance.choice(choices)


PLAIN = (
    "", "text chunks=6", "thinking", "omitted", "tools parallel=2", "web_search searches=2", "deltas count=4",
    "compaction", "unknown_event", "refusal text=No.", "stop reason=max_tokens", "split", "text crlf=true",
    "usage cache_creation_input_tokens=3000 cache_read_input_tokens=900", "long words=200",
)  # fmt: skip


def _page(chance):
    ttl = chance.choice(({}, {"ttl": "5m"}, {"ttl": "1h"}))
    return {"type": "text", "text": chance.choice(PAGES), "cache_control": {"type": "ephemeral", **ttl}}


def _refused_by_host(chance):
    words = [f"error status={chance.choice(STATUSES)}"] * 6
    words += ["rate_limit retry_after=3", "overloaded", "html", "redirect", "host_error"]
    return {"scenario": chance.choice(words)}


def _broken(chance):
    said = chance.choice(("text chunks=8", "thinking", "long words=90"))
    how = chance.choice(("fin", "rst"))
    of = chance.choice(("body", "wire"))
    choices = [{"scenario": f"{said} cut={chance.randrange(4000)} how={how} of={of}", "orderly": how == "fin"}] * 5
    choices += [{"scenario": f"{said} cut={chance.randrange(300)} how={how} of=wire"}]
    choices += [{"scenario": f"mid_error after={chance.randrange(9)}", "orderly": True}] * 2
    choices += [{"scenario": f"truncated events={chance.randrange(1, 9)}", "orderly": True}] * 2
    choices += [{"scenario": f"text framing={chance.choice(('bad-chunk', 'long-length', 'short-length'))}"}]
    choices += [{"scenario": "garbage"}, {"scenario": "empty"}]
    return {"breaks": True, **chance.choice(choices)}


def _tried(chance):
    at = chance.choice(("before_headers", "after_headers", "after_message_start", "mid_text", "before_message_stop"))
    slow = (f"silence seconds={chance.random() * 0.6:.2f} at={at}", "text drip=16 ms=4", "thinking drip=40 ms=8")
    return {"scenario": chance.choice(slow)}


def _odd(chance):
    wrong = ("output_tokens=-5", "input_tokens=2.5", "output_tokens=10000000000000", "cache_read_input_tokens=-1")
    return {"scenario": f"usage {chance.choice(wrong)}"}


def _refused_by_us(chance):
    why = chance.choice(("invalid", "unknown", "nobody"))
    return {"refused": why} | ({"tenant": "nobody"} if why == "nobody" else {})
