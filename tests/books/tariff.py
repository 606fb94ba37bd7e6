"""What a call costs, worked out from the host's words and a price list of our own: none of it is the gateway's code."""

from decimal import Decimal

PRICES = {
    "opus": {"input": "5", "cache_write_5m": "6.25", "cache_write_1h": "10", "cache_read": "0.50", "output": "25"},
    "haiku": {"input": "1", "cache_write_5m": "1.25", "cache_write_1h": "2", "cache_read": "0.10", "output": "5"},
}
"""US dollars for a million tokens, as the hosts publish them."""

SEARCH = Decimal("0.01")
FAST, ABROAD = Decimal(6), Decimal("1.1")
LONG_PROMPT = {"opus": 200_000}
LONG, LONG_OUTPUT = Decimal(2), Decimal("1.5")
MOST = 10**12
"""No host counts as many tokens; a number above it is a mistake."""

_WORDS = {"input": "input_tokens", "cache_read": "cache_read_input_tokens", "output": "output_tokens"}


def amount(family, kind, quantity, facts, prompt):
    """What so much of something costs, in 10^-12 dollars, in a pass whose prompt is so long."""
    if kind == "web_search":
        return _units(quantity * SEARCH)
    price = Decimal(PRICES[family][kind])
    if prompt > LONG_PROMPT.get(family, MOST):
        price *= LONG_OUTPUT if kind == "output" else LONG
    price *= FAST if facts.get("speed") == "fast" else 1
    price *= ABROAD if facts.get("inference_geo") == "us" else 1
    return _units(quantity * price / 1_000_000)


def _units(dollars):
    units = dollars * 10**12
    assert units == int(units), "an amount that has to be rounded needs a rule here"
    return int(units)


def bill(family, usage):
    """Lines that a usage object leads to: label, kind, quantity, amount; None where a number makes no sense."""
    lines = {}
    for one in usage.get("iterations") or [usage]:
        counts = _counts(one)
        prompt = sum(count or 0 for kind, count in counts.items() if kind != "output")
        for kind, count in counts.items():
            if count is None:
                lines[one.get("type", "message"), kind] = None
            elif count:
                lines[one.get("type", "message"), kind] = count, amount(family, kind, count, usage, prompt)
    if searches := (usage.get("server_tool_use") or {}).get("web_search_requests"):
        lines["", "web_search"] = searches, amount(family, "web_search", searches, usage, 0)
    return lines


def _counts(one):
    counts = {kind: _sane(one.get(word)) for kind, word in _WORDS.items()}
    written = one.get("cache_creation_input_tokens") or 0
    hour = (one.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
    return counts | {"cache_write_5m": written - hour, "cache_write_1h": hour}


def _sane(count):
    if count is None:
        return 0
    return count if isinstance(count, int) and 0 <= count <= MOST else None


def tokens(size):
    """Tokens of so many bytes."""
    return -(-size // 4)
