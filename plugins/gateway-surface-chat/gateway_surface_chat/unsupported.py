"""Parameters that would change the answer's form, and that Claude has no way to honour.

Source: OpenAI API reference, "Create chat completion"; Messages API reference (temperature ranges from 0 to 1).
"""

from collections.abc import Mapping
from typing import Any

import jiter

WARMEST = 1


def unsupported(asked: Mapping[str, Any]) -> dict[str, str]:
    """Names of such parameters in a request, and why each cannot be."""
    return {name: why for name, (is_asked, why) in _RULES.items() if name in asked and is_asked(asked[name])}


def _is_too_warm(value: Any) -> bool:
    if isinstance(value, jiter.LosslessFloat):
        return float(value) > WARMEST
    return isinstance(value, int | float) and value > WARMEST


def _is_many(value: Any) -> bool:
    return isinstance(value, bool) or value != 1


def _is_on(value: Any) -> bool:
    return value is not False


def _is_some(value: Any) -> bool:
    return isinstance(value, bool) or value != 0


def _is_not_text(value: Any) -> bool:
    return value not in (["text"], [])


def _is_given(_value: Any) -> bool:
    return True


_NO_LOGPROBS = "is not possible: Claude models give no log probabilities."
_NO_AUDIO = "is not possible: Claude models answer in text."

_RULES = {
    "n": (_is_many, "has to be 1: Claude models give one answer to a request."),
    "logprobs": (_is_on, _NO_LOGPROBS),
    "top_logprobs": (_is_some, _NO_LOGPROBS),
    "modalities": (_is_not_text, _NO_AUDIO),
    "audio": (_is_given, _NO_AUDIO),
    "temperature": (_is_too_warm, "has to be between 0 and 1; the upper half of OpenAI's range has no counterpart."),
}
