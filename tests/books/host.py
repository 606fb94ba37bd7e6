"""The host's book: the simulator, which notes under which id it answered whom."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field

from gateway_infra_simulator import Simulator

MARKER = re.compile(rb"<((?:opus|haiku)-\d{5})>")


class Host(Simulator):
    """A simulator whose request ids are known afterwards, by the marker in the prompt."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.ids = defaultdict(list)

    def _endpoint(self, request):
        wire, endpoint = super()._endpoint(request)

        def noted(request, request_id):
            self.ids[marker(request.body)].append(request_id)
            return endpoint(request, request_id)

        return wire, noted


@dataclass(frozen=True)
class Truth:
    """What the host knows of one call.

    Attributes:
        usage: what it reported in events that went out whole.
        said: bytes of text in the deltas that went out whole.
    """

    marker: str
    request_id: str
    status: int | None
    events: tuple = ()
    usage: dict = field(default_factory=dict)
    said: int = 0
    body: bytes = b"{}"

    @property
    def asked(self):
        return json.loads(self.body)

    @property
    def whole(self):
        return bool({"message", "message_stop"} & {*self.events})

    @property
    def started(self):
        return bool({"message", "message_start"} & {*self.events})

    @property
    def refused(self):
        return self.status not in (200, None) or ("error" in self.events and not self.started)


def truths(host):
    """The host's book, in the order of arrival."""
    ids = {name: iter(known) for name, known in host.ids.items()}
    return [
        Truth(
            marker=marker(record.body),
            request_id=next(ids[marker(record.body)], ""),
            status=record.status,
            events=tuple(record.events),
            usage=dict(record.usage),
            said=record.said,
            body=record.body,
        )
        for record in host.log
    ]


def marker(body):
    """Whose call it is; empty for nobody's."""
    found = MARKER.search(body)
    return found[1].decode() if found else ""
