"""The manner in which an answer goes over the wire: framing, pace, silence, and where it breaks off."""

from dataclasses import dataclass

PLACES = ("before_headers", "after_headers", "after_message_start", "mid_text", "before_message_stop")
"""Where a silence can fall."""

FRAMINGS = ("chunked", "content-length", "close", "bad-chunk", "long-length", "short-length")
"""How the end of the body is told; the last three tell it wrongly."""


def one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is not known."""
    if value not in known:
        raise ValueError(f"{what} is one of {', '.join(known)}, not {value!r}")


@dataclass(frozen=True)
class Silence:
    """A pause of so many seconds at one place; on a JSON answer ``mid_text`` is the middle of the body."""

    seconds: float
    at: str = "after_message_start"

    def __post_init__(self) -> None:
        one_of("a silence's place", self.at, PLACES)


@dataclass(frozen=True)
class Drip:
    """The body in pieces of so many bytes, with so many milliseconds between them."""

    size: int
    milliseconds: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError("a drip holds at least one byte")


@dataclass(frozen=True)
class Cut:
    """The end of the connection after so many bytes.

    Attributes:
        offset: how many bytes are sent before it.
        how: ``fin`` closes the connection in order, ``rst`` resets it.
        of: ``body`` counts the bytes of the body alone; ``wire`` counts everything, from the status line on,
            so that 0 is a connection that closes without a word.
    """

    offset: int
    how: str = "fin"
    of: str = "body"

    def __post_init__(self) -> None:
        one_of("a cut", self.how, ("fin", "rst"))
        one_of("what a cut counts", self.of, ("body", "wire"))


@dataclass(frozen=True)
class Manner:
    """All of it; the default is how a well-behaved server sends.

    Attributes:
        framing: see FRAMINGS; None means chunked for streams, content-length for everything else.
        crlf: end the lines of a stream with CR LF.
    """

    framing: str | None = None
    crlf: bool = False
    drip: Drip | None = None
    silence: Silence | None = None
    cut: Cut | None = None

    def __post_init__(self) -> None:
        if self.framing is not None:
            one_of("a framing", self.framing, FRAMINGS)
