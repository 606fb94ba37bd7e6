"""What of a host's words a client may see: the wording, but no hosts, accounts, projects and keys."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

_SECRETS = re.compile(
    r"""https?://[^\s"'<>]+          # hosts and paths
      | arn:[a-z-]+:[^\s"'<>]+       # account-bearing resource names
      | \b(?:projects|resourceGroups|accounts)/[^\s"'<>/,]+
      | \b(?:subscription|tenant)s?[/\s'"]+[0-9a-f]{8}-[0-9a-f-]{27}
      | [\w.+-]+@[\w-]+(?:\.[\w-]+)+  # people and service accounts
      | \bsk-[\w-]{8,} | \bA[KS]IA[A-Z0-9]{12,} | \bABSK[\w+/=-]{16,} | \bBearer\s+\S+
      | \bya29\.[\w-]+ | \beyJ[\w-]+\.[\w-]+\.[\w-]*
      | \b(?:10\.\d+|127\.\d+|169\.254|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+\b
      | (?<![\w-])\d{11,13}(?![\w-])  # account and project numbers
    """,
    re.VERBOSE,
)

REMOVED = "[removed]"
LONGEST_TEXT = 2000
LONGEST_NAME = 100


class Redaction:
    """Cleans what a host says.

    The wording stays: clients key their recovery on it ("prompt is too long: 210000 tokens > 200000 maximum").

    Args:
        private: gives the words of a deployment that nobody but its operator may see, beside what looks secret by
            itself; asked when there is something to clean.
        off: the operator lets clients see everything; only control characters go.
    """

    def __init__(self, private: Callable[[], Iterable[str]] = tuple, *, off: bool = False) -> None:
        self._words = private
        self._off = off

    def text(self, text: str, limit: int = LONGEST_TEXT) -> str:
        """A text, cleaned and cut to what anybody reads."""
        if not self._off:
            text = _SECRETS.sub(REMOVED, self._private.sub(REMOVED, text))
        return "".join(char if char.isprintable() or char == "\n" else " " for char in text)[:limit]

    def facts(self, value: Any) -> dict[str, Any]:
        """Machine-readable facts, every text in them cleaned; nothing when they are no object."""
        cleaned = self._any(value)
        return cleaned if isinstance(cleaned, dict) else {}

    @cached_property
    def _private(self) -> re.Pattern[str]:
        """Whole words only, or a project named `claude` would take the model's name away; the longer ones first."""
        words = sorted({word for word in self._words() if word}, key=len, reverse=True)
        some = "|".join(map(re.escape, words)) or r"(?!)"
        return re.compile(rf"(?<![\w.-])(?:{some})(?![\w-])", re.IGNORECASE)

    def without_private(self, value: Any) -> Any:
        """A client's own words in the host's envelope: only what the envelope adds of the operator's goes."""
        return value if self._off else _each(value, lambda text: self._private.sub(REMOVED, text))

    def _any(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self.text(str(name), LONGEST_NAME): self._any(inner) for name, inner in value.items()}
        return [self._any(inner) for inner in value] if isinstance(value, list) else _each(value, self.text)


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text in it changed; names stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {name: _each(inner, change) for name, inner in value.items()}
    return [_each(inner, change) for inner in value] if isinstance(value, list) else value
