"""Citations: where in a document, a search result or a page a text comes from, in both dialects.

Sources: service model of bedrock-runtime (``Citation``, ``CitationLocation``); Anthropic SDK types 2.12.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway_provider_bedrock.converse_form import Body, inexpressible, mapping


@dataclass(frozen=True, slots=True)
class _Place:
    """One kind of place.

    Attributes:
        theirs: its name in Converse.
        ours: its ``type`` in Messages.
        fields: the numbers and addresses that it consists of, Converse's name to ours.
        title: what Messages calls the title.
        extra: what Messages clients expect beside that, and Converse does not tell.
    """

    theirs: str
    ours: str
    fields: Mapping[str, str]
    title: str
    extra: Mapping[str, Any]


def _document(theirs: str, ours: str, start: str, end: str) -> _Place:
    return _Place(theirs, ours, {"documentIndex": "document_index", "start": start, "end": end}, "document_title", {})


_PLACES = (
    _document("documentChar", "char_location", "start_char_index", "end_char_index"),
    _document("documentPage", "page_location", "start_page_number", "end_page_number"),
    _document("documentChunk", "content_block_location", "start_block_index", "end_block_index"),
    _Place(
        "searchResultLocation",
        "search_result_location",
        {"searchResultIndex": "search_result_index", "start": "start_block_index", "end": "end_block_index"},
        "title",
        {"source": ""},
    ),
    _Place("web", "web_search_result_location", {"url": "url"}, "title", {"encrypted_index": ""}),
)
_BY_THEIRS = {place.theirs: place for place in _PLACES}
_BY_OURS = {place.ours: place for place in _PLACES}


def read(citation: Any) -> Body | None:
    """A citation of an answer in Messages' words; None for one without a place, which Messages cannot say."""
    location = citation.get("location") if isinstance(citation, dict) else None
    for name, where in location.items() if isinstance(location, dict) else ():
        place = _BY_THEIRS.get(name)
        if place is not None and isinstance(where, dict):
            return _read(citation, place, where)
    return None


def write(citation: Any, path: str) -> Body:
    """A citation of an earlier answer in Converse's words.

    Raises:
        InvalidRequest: its place has no name there.
    """
    ours = mapping(citation, path)
    place = _BY_OURS.get(str(ours.get("type")))
    if place is None or ours.get("encrypted_index"):
        raise inexpressible(path, "a citation of this kind")
    where = {theirs: ours[name] for theirs, name in place.fields.items() if ours.get(name) is not None}
    said = {"title": ours.get(place.title), "source": ours.get("source")}
    cited = ours.get("cited_text")
    return {
        **{name: value for name, value in said.items() if value},
        **({"sourceContent": [{"text": cited}]} if cited else {}),
        "location": {place.theirs: where},
    }


def _read(citation: Body, place: _Place, where: Body) -> Body:
    source = {"source": citation.get("source") or ""} if "source" in place.extra else {}
    return {
        "type": place.ours,
        "cited_text": texts(citation.get("sourceContent")),
        place.title: citation.get("title"),
        **{ours: where.get(theirs) for theirs, ours in place.fields.items()},
        **place.extra,
        **source,
    }


def texts(parts: Any) -> str:
    """The text of a list of ``{"text": ...}``; what is none of these adds nothing."""
    listed = parts if isinstance(parts, list) else []
    said = (part.get("text") for part in listed if isinstance(part, dict))
    return "".join(text for text in said if isinstance(text, str))
