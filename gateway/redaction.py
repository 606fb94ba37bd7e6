"""What of a host's words a client may see: the wording, but no hosts, accounts, projects and keys."""

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

_SECRETS = re.compile(
    r"""https?://[^\s"'<>]+          # hosts and paths
      | arn:[a-z-]+:[^\s"'<>]+       # account-bearing resource names
      | \bprojects/[^\s"'<>/]+ | \b(?:subscription|tenant)s?[/\s'"]+[0-9a-f]{8}-[0-9a-f-]{27}
      | [\w.+-]+@[\w-]+(?:\.[\w-]+)+  # people and service accounts
      | \bsk-[\w-]{8,} | \bA[KS]IA[A-Z0-9]{12,} | \bya29\.[\w-]+ | \beyJ[\w-]+\.[\w-]+\.[\w-]* | \bBearer\s+\S+
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
        """The longer words first, so that none leaves a part of another behind; one that never matches without any."""
        words = sorted({word for word in self._words() if word}, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, words)) or r"(?!)", re.IGNORECASE)

    def _any(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(name), LONGEST_NAME): self._any(inner) for name, inner in value.items()}
        return [self._any(inner) for inner in value] if isinstance(value, list) else value
