"""A YAML document: plain values, the line of each, and checks that name file, line and key.

A string ``os.environ/NAME`` stands for an environment variable, and an unset one is a mistake.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from typing import Any, ClassVar

import yaml
from marshmallow import INCLUDE, Schema, ValidationError

from gateway.errors import ConfigError

ENVIRONMENT = "os.environ/"

Place = tuple[str | int, ...]
"""Where a value stands: ``("model_list", 0, "model_name")``."""


@dataclass(frozen=True)
class Document:
    """A YAML text as plain values, and the line on which each of them stands."""

    name: str
    value: dict[str, Any]
    lines: Mapping[Place, int]

    def error(self, path: Place, text: str) -> ConfigError:
        """An error that names file, line and key."""
        line = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), 1)
        where = dotted(path)
        return ConfigError(f"{self.name}:{line}: {where}{': ' if where else ''}{text}")


class Strict(Schema):
    """A section whose unknown keys are mistakes unless the migration list knows them."""

    class Meta:
        """What the schema does not know is looked at by the checker."""

        unknown = INCLUDE


class Checker:
    """Checks mappings by their schemas, and collects the keys that have no effect.

    Args:
        document: where the mappings stand.

    Attributes:
        no_effect: keys that people bring along from LiteLLM, as they stand in the file.
    """

    migration: ClassVar[Mapping[str, Sequence[str]]] = tomllib.loads(
        resources.files("gateway").joinpath("migration.toml").read_text("utf-8")
    )

    def __init__(self, document: Document) -> None:
        self.document = document
        self.no_effect: list[str] = []

    def checked(self, schema: type[Strict], value: Any, path: Place, known_as: str) -> dict[str, Any]:
        """A section by its schema; what the schema does not know is a migration key or a mistake."""
        if not isinstance(value, dict):
            raise self.document.error(path, "has to be a mapping.")
        self.note_unknown(schema().fields, value, path, known_as)
        try:
            return dict(schema().load(value))
        except ValidationError as error:
            raise self.invalid(error, path) from None

    def invalid(self, error: ValidationError, path: Place) -> ConfigError:
        """A schema's complaint, with its place."""
        name, said = first_message(error)
        while isinstance(said, dict):  # an item of a list
            path = (*path, name)
            name, said = next(iter(said.items()))
        return self.document.error((*path, name), str(said[0] if isinstance(said, list) else said))

    def note_unknown(self, known: Mapping[str, Any], value: Mapping[str, Any], path: Place, known_as: str) -> None:
        """A key that nobody knows is a mistake; one that LiteLLM knows under ``known_as`` has no effect."""
        elsewhere = self.migration.get(known_as, ())
        for name in value:
            if name in known:
                continue
            if name not in elsewhere:
                raise self.document.error((*path, name), f"unknown key.{meant(name, [*known, *elsewhere])}")
            self.no_effect.append(dotted((*path, name)))

    def warnings(self) -> tuple[str, ...]:
        """One warning about all keys without effect."""
        if not self.no_effect:
            return ()
        keys = ", ".join(self.no_effect)
        return (f"{self.document.name}: these keys are known from LiteLLM and have no effect here: {keys}.",)


def read_yaml(text: str, name: str, environ: Mapping[str, str]) -> Document:
    """YAML as plain values with their lines, environment variables filled in."""
    try:
        return _Yaml(name, environ).document(yaml.compose(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in str(error):  # newer parsers count for themselves
            raise _too_deep(name) from None
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{name}:{line}: no valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}:1: no valid YAML: {error}") from None
    except RecursionError:
        raise _too_deep(name) from None


def _too_deep(name: str) -> ConfigError:
    return ConfigError(f"{name}:1: nested too deep, or an anchor that holds itself.")


@dataclass(frozen=True)
class _Unset:
    """An environment variable that is not set, kept until it is known which model wanted it."""

    name: str


class _Yaml:
    """Walks YAML's own tree, because only that knows the lines."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lines: dict[Place, int] = {}
        self._errors = Document(name, {}, self._lines)
        self._scalars = yaml.constructor.SafeConstructor()

    def document(self, node: yaml.Node | None) -> Document:
        value: Any = None
        if node is not None:
            self._refuse_twice(node, (), set())
            value = self._plain(node, ())
        value = {} if value is None else value
        if not isinstance(value, dict):
            raise self._errors.error((), "the file has to be a mapping of sections.")
        return Document(self._errors.name, value, self._lines)

    def _refuse_twice(self, node: yaml.Node, path: Place, seen: set[int]) -> None:
        """Refuse a key that stands twice in one mapping; later on what is merged in would look the same."""
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._refuse_twice(item, (*path, index), seen)
        elif isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                inner = (*path, str(key_node.value))
                again = inner in self._lines
                self._lines[inner] = key_node.start_mark.line + 1
                if again:
                    raise self._errors.error(inner, "given twice.")
                self._refuse_twice(value_node, inner, seen)

    def _plain(self, node: yaml.Node, path: Place) -> Any:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, KeyError, AttributeError):  # what a date of month 13 and a `!!bool maybe` raise
            raise self._errors.error(path, f"{node.value!r} cannot be read as what it claims to be.") from None
        return self._from_environment(value, path) if isinstance(value, str) else value

    def _mapping(self, node: yaml.MappingNode, path: Place) -> dict[str, Any]:
        self._scalars.flatten_mapping(node)  # what `<<: *anchor` brings in
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._errors.error(path, "a key has to be a text.")
            key = str(key_node.value)
            self._lines[(*path, key)] = key_node.start_mark.line + 1
            mapping[key] = self._plain(value_node, (*path, key))
        if path[:1] == ("model_list",) and len(path) == 2:  # noqa: PLR2004 - an item of the list
            self._refuse_unset(mapping, path)
        return mapping

    def _from_environment(self, value: str, path: Place) -> Any:
        if not value.startswith(ENVIRONMENT):
            return value
        name = value.removeprefix(ENVIRONMENT)
        if self._environ.get(name, "").strip():
            return self._environ[name]
        if path[:1] == ("model_list",):
            return _Unset(name)
        raise self._errors.error(path, f"environment variable {name} is not set.")

    def _refuse_unset(self, entry: dict[str, Any], path: Place) -> None:
        """An unset variable would silently become somebody else's account; name the model that wanted it."""
        for place, value in _leaves(entry, path):
            if isinstance(value, _Unset):
                raise self._errors.error(
                    place,
                    f"environment variable {value.name} is not set (needed by model {entry.get('model_name')!r}).",
                )


def _leaves(value: Any, path: Place) -> Iterator[tuple[Place, Any]]:
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for key, item in items:
        yield from _leaves(item, (*path, key))


def dotted(path: Place) -> str:
    """A path as people write it: ``model_list[0].litellm_params.model``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def meant(name: str, known: Any) -> str:
    """A hint at the known name that is nearest."""
    near = get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def first_message(error: ValidationError) -> tuple[str, Any]:
    """The first key that marshmallow complains about, and what it says of it."""
    said = error.messages if isinstance(error.messages, dict) else {"": error.messages}
    return next(iter(said.items()))
