"""The address of a model on Vertex AI: which host, which path, whose project.

What a setting or a client puts into it is checked at startup and percent-encoded: only ``api_base`` decides where we
connect. Sources: Google Cloud "Claude models" and "Locations"; Anthropic SDK 2.12, lib/vertex.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from gateway import ConfigError

GLOBAL = "global"
"""The location that is no place: the host may serve it anywhere."""

MULTI_REGIONS = frozenset({"us", "eu"})

COUNTING = "count-tokens"
"""Stands in a model's place in the path of the request that counts."""

LONGEST_LOCATION = 40
"""Letters of a location; the longest today has 23."""

_LOCATION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PROJECT = re.compile(r"[a-zA-Z0-9]([\w.:-]{0,98}[a-zA-Z0-9])?", re.ASCII)
_FULL_PATH = re.compile(r"(?P<models>.*/models)/(?P<model>[^/:]+)(:\w+)?")
_PLACE = re.compile(r"/locations/(?P<location>[^/]+)/")
_VERSION = re.compile(r"/v\d\w*$")


@dataclass(frozen=True, slots=True)
class Address:
    """Where one deployment's model is.

    Attributes:
        models: the URL up to the models.
        model: the segment of the path that names the model.
    """

    models: str
    model: str

    @classmethod
    def of(cls, base: str, location: str, project: str, upstream: str) -> "Address":
        """The address of a model.

        Args:
            base: the host alone, the host with the API's prefix, or the model's full path; empty for Google's own.
            location: what the operator says.
            project: the same; a full path holds both already.
            upstream: the model's name.
        """
        path = urlsplit(base).path.rstrip("/")
        if full := _FULL_PATH.fullmatch(path):
            return cls(_origin(base) + full["models"], full["model"])
        root = _origin(base) + path if base else f"https://{host('', location)}"
        api = root if _VERSION.search(path) else f"{root}/v1"
        where = f"projects/{quote(project, safe='')}/locations/{quote(location, safe='')}"
        return cls(f"{api}/{where}/publishers/anthropic/models", quote(upstream, safe="@"))

    def verb(self, verb: str) -> str:
        """The URL at which the model does something."""
        return f"{self.models}/{self.model}:{verb}"

    def counting(self) -> str:
        """The URL that counts tokens; which model's, its body says."""
        return f"{self.models}/{COUNTING}:rawPredict"


def place(base: str, location: str) -> str:
    """The location that serves: the one in ``api_base`` if its path names one, else what the operator says."""
    named = _PLACE.search(urlsplit(base).path)
    return named["location"] if named else location


def host(base: str, location: str) -> str:
    """The name of the host that we connect to."""
    if base:
        return urlsplit(base).hostname or ""
    if location == GLOBAL:
        return "aiplatform.googleapis.com"
    if location in MULTI_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{quote(location, safe='')}-aiplatform.googleapis.com"


def check_location(location: str) -> None:
    """Look at a location.

    Raises:
        ConfigError: it is missing, or no word that a host's name can hold.
    """
    if not location:
        raise ConfigError("it names no vertex_location, such as global, us, eu or us-east5.")
    if len(location) > LONGEST_LOCATION or not _LOCATION.fullmatch(location):
        raise ConfigError(f"vertex_location: {location!r} is no location such as global, us, eu or us-east5.")


def check_project(project: str, key: str = "vertex_project") -> None:
    """Look at the project that a setting names.

    Raises:
        ConfigError: it is no project's id or number.
    """
    if not _PROJECT.fullmatch(project):
        raise ConfigError(f"{key}: {project!r} is no project's id or number.")


def check_path(base: str, upstream: str) -> bool:
    """Look at the path of an ``api_base``; whether it is a model's full path.

    Raises:
        ConfigError: it stops inside a model's path, or names another model than the deployment.
    """
    path = urlsplit(base).path.rstrip("/")
    full = _FULL_PATH.fullmatch(path)
    if full is None:
        if "/projects/" in path:
            raise ConfigError("api_base: it stops inside the model's path; give the host alone or the whole path.")
        return False
    named = unquote(full["model"])
    if named.partition("@")[0] != upstream.partition("@")[0]:
        raise ConfigError(f"api_base: its path names {named!r}, but the deployment is for {upstream!r}.")
    return True


def _origin(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"
