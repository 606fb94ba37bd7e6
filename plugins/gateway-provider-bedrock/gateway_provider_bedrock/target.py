"""The target: what stands behind ``bedrock/`` in the configuration, taken apart.

``<id>`` and ``invoke/<id>`` go to InvokeModel, ``converse/<id>`` to Converse. An id is a foundation model's, an
inference profile's (a geography, a dot and the model's id), or an ARN. Source: botocore service model
``bedrock-runtime``, ``InvokeModelIdentifier``; AWS Bedrock user guide, "Cross-region inference".
"""

import re
from dataclasses import dataclass
from urllib.parse import quote

INVOKE, CONVERSE = "invoke", "converse"

VENDOR = "anthropic."
"""How the id of every Claude model begins."""

ANYWHERE = "global"
"""The geography of profiles that run wherever there is room."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,255}")
_ARN = re.compile(
    r"arn:aws[a-z-]*:bedrock:(?P<region>[a-z0-9-]*):(?P<account>\d{12})?:[a-z-]+/[A-Za-z0-9][\w./:-]*", re.ASCII
)
_NAME = re.compile(r"anthropic\.(claude-[a-z0-9-]*?)(?:-v\d+(?::\d+)?)?")


@dataclass(frozen=True)
class Target:
    """One model behind one of the two APIs.

    Attributes:
        api: ``invoke`` or ``converse``.
        id: the model's id or ARN, as it goes into the path.
    """

    api: str
    id: str

    @classmethod
    def of(cls, upstream: str) -> "Target":
        """What an upstream name of the configuration means."""
        api, _, rest = upstream.partition("/")
        return cls(api, rest) if api in (INVOKE, CONVERSE) and rest else cls(INVOKE, upstream)

    @property
    def wellformed(self) -> bool:
        """Whether it is an id or an ARN at all; anything else could reach other paths of the host."""
        return bool((_ARN if self.is_arn else _ID).fullmatch(self.id))

    @property
    def segment(self) -> str:
        """The id as a segment of a path: everything but unreserved characters is encoded, as boto3 does it."""
        return quote(self.id, safe="-_.~")

    @property
    def is_arn(self) -> bool:
        """Whether it names an account, a region and a resource."""
        return self.id.startswith("arn:")

    @property
    def region(self) -> str:
        """The region of an ARN; empty for an id."""
        return self._arn("region")

    @property
    def account(self) -> str:
        """The account of an ARN; empty for an id and for a foundation model."""
        return self._arn("account")

    @property
    def resource(self) -> str:
        """The id without the account and the path that an ARN puts before it."""
        return self.id.rpartition("/")[2]

    @property
    def model(self) -> str:
        """The foundation model's id; empty where only AWS knows which model it is."""
        _, vendor, name = self.resource.partition(VENDOR)
        return vendor + name

    @property
    def geography(self) -> str:
        """The geography to which a profile keeps inference, such as ``us``; empty where there is none to name."""
        place = self.resource.partition("." + VENDOR)[0] if self.model else ""
        return "" if place in (ANYWHERE, self.resource) else place

    @property
    def name(self) -> str:
        """The model as its own answers name it, such as ``claude-opus-4-6``; else the resource."""
        known = _NAME.fullmatch(self.model)
        return known[1] if known else self.resource

    def _arn(self, part: str) -> str:
        arn = _ARN.fullmatch(self.id)
        return arn[part] or "" if arn else ""
