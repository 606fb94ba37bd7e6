"""A response and the plan of its delivery: every piece of bytes, the pause before it, and how it all ends. Pure."""

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from gateway_infra_simulator.flow import COMMENT, Event
from gateway_infra_simulator.manner import Cut, Drip, Manner, Silence

Headers = tuple[tuple[str, str], ...]

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}
_OFF_BY = {"long-length": 10, "short-length": -10}


class Piece(NamedTuple):
    """Bytes that are written at once.

    Attributes:
        event: the event that is complete with these bytes.
        pause: seconds of silence before them.
        lost: how many bytes of the piece were cut off.
    """

    data: bytes
    event: Event | None = None
    pause: float = 0.0
    lost: int = 0


@dataclass(frozen=True)
class Response:
    """What to send; ``bare`` means that the pieces are all of it, status line included."""

    status: int
    headers: Headers
    pieces: tuple[Piece, ...]
    manner: Manner = field(default_factory=Manner)
    stream: bool = False
    bare: bool = False


class Plan(NamedTuple):
    """The pieces on the wire, how the connection is torn if it is, and whether it is closed in any case."""

    pieces: list[Piece]
    cut: str | None
    close: bool


def frame(event: Event, end: str = "\n") -> bytes:
    """A server-sent event, or the comment that stands for one."""
    if event.name == COMMENT:
        return f": {event.data['text']}{end}{end}".encode()
    return f"event: {event.name}{end}data: {compact(event.data)}{end}{end}".encode()


def compact(value: Any) -> str:
    """JSON without spaces, text as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def json_response(status: int, value: Any, headers: Headers = ()) -> Response:
    """A JSON body."""
    pieces = (Piece(compact(value).encode()),)
    return Response(status, (("content-type", "application/json"), *headers), pieces)


def plan(response: Response, *, keep_alive: bool) -> Plan:
    """Everything that happens on the socket."""
    manner = response.manner
    framing = _framing(response)
    close = not keep_alive or response.bare or framing in ("close", *_OFF_BY)
    body = _paced(list(response.pieces), manner)
    kept, torn = _cut_body(body, manner.cut)
    wire = _framed(kept, framing, torn=torn)
    if not response.bare:
        wire = _joined(_head(response, framing, body, close=close), wire)
    wire, cut_wire = _cut_wire(wire, manner.cut)
    cut = manner.cut.how if manner.cut and (torn or cut_wire) else None
    return Plan(wire, cut, close or cut is not None)


def _framing(response: Response) -> str:
    if response.bare:
        return "close"
    return response.manner.framing or ("chunked" if response.stream else "content-length")


def _head(response: Response, framing: str, body: list[Piece], *, close: bool) -> Piece:
    headers = [*response.headers, ("connection", "close" if close else "keep-alive")]
    if framing in ("chunked", "bad-chunk"):
        headers.append(("transfer-encoding", "chunked"))
    elif framing != "close":
        length = sum(len(piece.data) for piece in body) + _OFF_BY.get(framing, 0)
        headers.append(("content-length", str(max(0, length))))
    lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    silence = response.manner.silence
    pause = silence.seconds if silence and silence.at == "before_headers" else 0.0
    return Piece("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"), pause=pause)


def _framed(pieces: list[Piece], framing: str, *, torn: bool) -> list[Piece]:
    if framing not in ("chunked", "bad-chunk"):
        return pieces
    chunks = [_chunk(piece) for piece in pieces if piece.data]
    if framing == "bad-chunk":
        return [Piece(b"zz\r\n"), *chunks]
    return chunks if torn else [*chunks, Piece(b"0\r\n\r\n")]


def _chunk(piece: Piece) -> Piece:
    size = f"{len(piece.data) + piece.lost:x}\r\n".encode()
    return piece._replace(data=size + piece.data + (b"" if piece.lost else b"\r\n"))


# ------------------------------------------------------------------------------------------------- silence and drip


def _paced(pieces: list[Piece], manner: Manner) -> list[Piece]:
    if manner.silence:
        pieces = _silenced(pieces, manner.silence)
    return _dripped(pieces, manner.drip) if manner.drip else pieces


def _silenced(pieces: list[Piece], silence: Silence) -> list[Piece]:
    pieces, at = _place(pieces, silence.at)
    return [piece._replace(pause=silence.seconds) if index == at else piece for index, piece in enumerate(pieces)]


def _place(pieces: list[Piece], place: str) -> tuple[list[Piece], int | None]:
    """The piece before which a silence falls; a body that is no stream is parted there."""
    if place == "before_headers":
        return pieces, None
    if place == "after_headers" or not pieces:
        return pieces, 0
    names = [piece.event.name if piece.event else "" for piece in pieces]
    if len(pieces) == 1:
        size = len(pieces[0].data)
        return _parted(pieces[0], {"mid_text": size // 2, "before_message_stop": size - 1}.get(place, 0))
    if place == "after_message_start":
        return pieces, _next(names, "message_start", 1)
    if place == "mid_text":
        return pieces, _next(names, "content_block_delta", names.count("content_block_delta") // 2)
    return pieces, _next(names, "message_stop", 0)


def _next(names: list[str], name: str, further: int) -> int | None:
    return names.index(name) + further if name in names else None


def _parted(piece: Piece, at: int) -> tuple[list[Piece], int]:
    if at <= 0:
        return [piece], 0
    return [Piece(piece.data[:at]), piece._replace(data=piece.data[at:])], 1


def _dripped(pieces: list[Piece], drip: Drip) -> list[Piece]:
    dripped: list[Piece] = []
    for piece in pieces:
        starts = range(0, len(piece.data), drip.size)
        drops = [Piece(piece.data[at : at + drip.size], pause=drip.milliseconds / 1000) for at in starts]
        if drops:
            drops[0] = drops[0]._replace(pause=drops[0].pause + piece.pause)
            drops[-1] = drops[-1]._replace(event=piece.event)
        dripped += drops
    return dripped


def _joined(head: Piece, wire: list[Piece]) -> list[Piece]:
    """The headers go out together with what follows them, unless there is a pause between."""
    if not wire or wire[0].pause:
        return [head, *wire]
    return [wire[0]._replace(data=head.data + wire[0].data, pause=head.pause), *wire[1:]]


# -------------------------------------------------------------------------------------------------------------- cuts


def _cut_body(pieces: list[Piece], cut: Cut | None) -> tuple[list[Piece], bool]:
    if cut is None or cut.of != "body":
        return pieces, False
    return _first_bytes(pieces, cut.offset), True


def _cut_wire(pieces: list[Piece], cut: Cut | None) -> tuple[list[Piece], bool]:
    if cut is None or cut.of != "wire":
        return pieces, False
    return _first_bytes(pieces, cut.offset), True


def _first_bytes(pieces: list[Piece], count: int) -> list[Piece]:
    kept: list[Piece] = []
    for piece in pieces:
        lost = max(0, len(piece.data) - count)
        if lost:
            kept.append(Piece(piece.data[:count], None, piece.pause, lost))
            break
        kept.append(piece)
        count -= len(piece.data)
    return kept
