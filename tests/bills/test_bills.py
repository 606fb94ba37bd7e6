"""The golden bills: every case of bills.txt proves itself, and the gateway writes that bill, JSON and stream alike."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway import config
from gateway.app import create_app
from gateway.catalog import BOOKS
from gateway.testing import make_call
from gateway.usage import KINDS
from tests.bills.conftest import PLUGINS, TODAY, Answer, Till, as_json, as_stream

TEXT = Path(__file__).with_name("bills.txt").read_text()
FIELD = re.compile(r"^  (\S.{8}) (.*(?:\n {12}.*)*)", re.MULTILINE)
LINE = re.compile(r"(\w+) +([\d,]+) x ([\d.]+)( each)?((?: x \w+ [\d.]+)*) = ([\d.]+)")
FACTOR = re.compile(r" x (\w+) ([\d.]+)")
PASS = re.compile(r"pass (\w+)(?: by (\S+))?")
BASE = re.compile(r"^  ([A-Z][\w., ]+?)  " + r" +([\d.]+)" * len(KINDS), re.MULTILINE)
EXPLAINED = dict(FIELD.findall(TEXT.partition("\n\n\n")[0].partition("Base prices")[0]))


class Written(NamedTuple):
    """A line as it stands in the table and on a bill."""

    label: str
    model: str
    kind: str
    quantity: int
    price: Decimal
    unit: int
    factors: list[tuple[str, Decimal]]
    amount: Decimal


@dataclass(frozen=True)
class Case:
    """One case of the table."""

    name: str
    books: tuple[str, ...]
    answer: Answer
    lines: list[Written]
    total: Decimal | None
    unpriced: list[str]
    odd: list[str]
    estimated: bool


def read(text):
    name, _, rest = text.partition("\n")
    told = {word.strip(): value for word, value in FIELD.findall(rest)}
    assert set(told) <= {word.strip() for word in EXPLAINED}, name
    book = told.get("book", "announcement")
    own = told.get("priced as", told["host"].partition("/")[2])
    return Case(
        name=name,
        books=BOOKS if book == "both" else (book,),
        answer=Answer(
            usage=json.loads(told["usage"]),
            host=told["host"],
            at=datetime.fromisoformat(told["at"]).replace(tzinfo=UTC) if "at" in told else TODAY,
            stopped=told.get("stopped", "end_turn"),
            **{word: json.loads(told.get(word, "{}")) for word in ("asked", "settings", "prices")},
        ),
        lines=list(bill(told.get("bill", ""), own)),
        total=None if told["total"] == "none" else Decimal(told["total"]),
        unpriced=listed(told.get("unpriced")),
        odd=listed(told.get("odd")),
        estimated=told.get("estimated") == "yes",
    )


def listed(text):
    return [line.strip() for line in text.split("\n")] if text else []


def bill(text, own):
    label, model = "message", own
    for said in listed(text):
        if heading := PASS.fullmatch(said):
            label, model = heading[1], heading[2] or own
            continue
        kind, quantity, price, each, factors, amount = LINE.fullmatch(said).groups()
        yield Written(
            *(("", "") if each else (label, model)),
            kind=kind,
            quantity=int(quantity.replace(",", "")),
            price=Decimal(price),
            unit=1 if each else 1_000_000,
            factors=[(reason, Decimal(times)) for reason, times in FACTOR.findall(factors)],
            amount=Decimal(amount),
        )


CASES = [
    read(text) for text in re.split(r"^\* ", re.sub(r"^== .*\n", "", TEXT, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
]
EACH = [pytest.param(case, id=case.name) for case in CASES]

HOSTS = {
    "anthropic": "anthropic/{}",
    "azure_ai": "azure_ai/{}",
    "vertex_ai": "vertex_ai/{}",
    "bedrock": "bedrock/global.anthropic.{}",
}
ONE_OF_EACH = {
    "input_tokens": 1000,
    "cache_creation_input_tokens": 2000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 1000},
    "cache_read_input_tokens": 1000,
    "output_tokens": 1000,
}


def base_prices():
    """The table of base prices: a model's id, and its prices by kind."""
    for names, *prices in BASE.findall(TEXT):
        family = ""
        for name in names.split(","):
            family = name.split()[0] if len(name.split()) > 1 else family
            id_ = f"claude-{family}-{name.split()[-1]}".lower().replace(".", "-")
            yield id_, dict(zip(KINDS, map(Decimal, prices), strict=True))


till = cache(lambda book: Till(book=book))


def as_written(line):
    factors = [(factor.reason, factor.times) for factor in line.factors]
    return Written(line.label, line.model, line.kind, line.quantity, line.price, line.unit, factors, line.amount)


def test_the_table_has_what_was_agreed():
    assert len(CASES) >= 80
    assert len({case.name for case in CASES}) == len(CASES)
    assert {line.kind for case in CASES for line in case.lines} == {*KINDS, "web_search"}


@pytest.mark.parametrize("case", EACH)
def test_the_table_adds_up(case):
    for line in case.lines:
        amount = line.quantity * line.price / line.unit
        for _, times in line.factors:
            amount *= times
        assert amount == line.amount
    assert case.total is None or sum(line.amount for line in case.lines) == case.total


@pytest.mark.parametrize("told", [as_json, as_stream])
@pytest.mark.parametrize("case", EACH)
def test_the_gateway_writes_the_bill_of_the_table(case, told):
    for book in case.books:
        entry = till(book).settle(case.answer, told(case.answer))
        assert [as_written(line) for line in (entry.bill.lines if entry.bill else ())] == case.lines
        assert entry.cost == case.total
        assert list(entry.unpriced) == case.unpriced
        assert [said.partition("=")[0] for said in entry.odd] == case.odd
        assert entry.estimated == case.estimated
        assert entry.bill is None or entry.bill.book == book


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("model", "prices"), list(base_prices()))
def test_every_host_has_the_base_prices_of_the_table(model, prices, host):
    for book in BOOKS:
        entry = till(book).settle(Answer(ONE_OF_EACH, HOSTS[host].format(model)))
        assert {line.kind: line.price for line in entry.bill.lines} == prices
        assert (entry.unpriced, {line.model for line in entry.bill.lines}) == ((), {model})


WHOLE_WAY = (
    "Every kind of token has its own price",
    "A long prompt in fast mode with US inference, and searches that nothing multiplies",
    "A pause after a long summary, fast and with US inference",
    "Fast was asked for and the usage is silent",
)
"""Cases that cost the same on every day, so that they can be asked for today."""

MODELS = "model_list: [{{model_name: '*', params: {{model: anthropic/*, api_key: sk-test, api_base: '{url}'}}}}]"
COST = re.compile(rb"gateway-cost-usd ([\d.]+)")


@pytest.mark.parametrize("told", [as_json, as_stream])
@pytest.mark.parametrize("name", WHOLE_WAY)
def test_a_client_is_told_the_total_of_the_table(name, told, host):
    (case,) = (case for case in CASES if case.name == name)
    events, stream = told(case.answer), told is as_stream
    body = b"".join(event.frame for event in events) if stream else events[0].data
    host.says(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body)
    app = create_app(config.parse(MODELS.format(url=host.url), "bills", {}), anywhere=True, found=PLUGINS)
    model = case.answer.host.partition("/")[2]
    answer = app.test_client().post(
        "/v1/messages", json=make_call({"model": model, "stream": stream, **case.answer.asked}).body
    )
    assert answer.status_code == 200
    cost = COST.search(answer.data)[1].decode() if stream else answer.headers["gateway-cost-usd"]
    assert Decimal(cost) == case.total
