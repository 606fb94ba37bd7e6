"""The client's book: asks over a socket, by the byte, and notes what came back."""

import json
import re
import select
import socket
import struct
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from http.client import HTTPConnection, HTTPException

from tests.books.plan import Order

PATHS = {"messages": "/v1/messages", "chat": "/v1/chat/completions"}
RESET = struct.pack("ii", 1, 0)
COST = re.compile(rb'gateway-cost-usd ([0-9.]+)|"cost": ?([0-9.]+)')


@dataclass
class Transcript:
    """What one client saw.

    Attributes:
        left: it left, on purpose.
        lost: how its connection ended, if that was nobody's purpose.
    """

    order: Order
    status: int | None = None
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    left: bool = False
    lost: str = ""

    @property
    def call_id(self):
        return self.headers.get("gateway-call-id", "")

    @property
    def request_id(self):
        return self.headers.get("gateway-upstream-request-id", "")

    @property
    def cost(self):
        """US dollars, where the client was told."""
        found = [told for pair in COST.findall(self.body) for told in pair if told]
        told = self.headers.get("gateway-cost-usd") or (found[-1].decode() if found else None)
        return None if told is None else Decimal(told)

    @property
    def whole(self):
        """The answer came to its own end."""
        if self.status != 200 or self.lost or self.left:
            return False
        if not self.order.stream:
            return True
        ends = {"messages": b"event: message_stop\n", "chat": b"data: [DONE]\n\n"}
        return ends[self.order.surface] in self.body

    @property
    def told_why(self):
        """The answer is an error, or ends with one."""
        last = self.events[-1] if self.order.stream and self.events else {}
        return self.status not in (200, None) or "error" in last

    @cached_property
    def events(self):
        """Objects of the stream that came whole."""
        lines = self.body.replace(b"\r\n", b"\n").split(b"\n")[:-1]
        return [json.loads(line[6:]) for line in lines if line.startswith(b"data: {")]

    @cached_property
    def said(self):
        """Bytes of what was said in a stream."""
        if self.status != 200 or not self.order.stream:
            return 0
        return sum(len(text.encode()) for event in self.events for text in _texts(event))


def _texts(event):
    """What an event says: on the Messages surface, or in chat."""
    delta = event.get("delta") or {}
    yield from (delta.get(name) or "" for name in ("text", "thinking", "partial_json"))
    for choice in event.get("choices") or ():
        told = choice.get("delta") or {}
        yield from (told.get(name) or "" for name in ("content", "reasoning_content"))


def ask(port, order, token):
    """One call, from the first byte to the last, or to the moment at which its client leaves."""
    told = Transcript(order)
    line = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        line.connect()
        _talk(line, line.sock, told, token)
    except (OSError, HTTPException) as error:
        told.lost = repr(error)
    finally:
        line.close()
    return told


def _talk(line, peer, told, token):
    order, leave = told.order, told.order.leave
    body = json.dumps(order.body).encode()
    line.putrequest("POST", PATHS[order.surface])
    for name, value in (("x-api-key", token), ("content-type", "application/json")):
        line.putheader(name, value)
    line.putheader("content-length", str(len(body)))
    line.endheaders(body[:40] if leave and leave.moment == "asks" else body)
    if leave and leave.moment != "read":
        select.select([peer], [], [], leave.after)
        _leave(peer, told)
        return
    _read(line, peer, told)


def _read(line, peer, told):
    leave = told.order.leave
    with line.getresponse() as answer:
        told.status = answer.status
        told.headers = {name.lower(): value for name, value in answer.getheaders()}
        while piece := answer.read1(2048):
            told.body += piece
            if leave and len(told.body) >= leave.after:
                _leave(peer, told)
                return
        if answer.length:
            told.lost = f"{answer.length} bytes are missing"


def _leave(peer, told):
    told.left = True
    if told.order.leave.how == "rst":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
