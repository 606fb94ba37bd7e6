"""Names of tools and ids of calls, made to fit the hosts' alphabet and given back as the client wrote them.

A name is made from itself alone, so it is the same in every turn (prompt caches see no change) and the way back needs
no memory: the client's own body says which names it declared.
Source: Messages API reference, tool names and tool_use ids; Converse API reference, ToolSpecification.
"""

import re
from collections.abc import Iterable
from hashlib import sha256

_FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]")
_STEM, _DIGEST = 51, 12


def fitting(name: str) -> str:
    """The name itself if hosts take it, else a readable one with a digest that keeps it apart from all others."""
    if _FITS.fullmatch(name):
        return name
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{_OTHER.sub('_', name[:_STEM])}_{digest}"


def originals(names: Iterable[str]) -> dict[str, str]:
    """Made names to the client's own, for those that had to be made."""
    return {made: name for name in names if (made := fitting(name)) != name}
