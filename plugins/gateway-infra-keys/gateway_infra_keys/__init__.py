"""Keys and teams: who may ask for what, and how much it may cost."""

from typing import Any

__all__ = ["KeysPlugin"]


def __getattr__(name: str) -> Any:
    """The plugin comes when it is asked for, so that one part can be used without the others."""
    if name == "KeysPlugin":
        from gateway_infra_keys.plugin import KeysPlugin  # noqa: PLC0415 - see above

        return KeysPlugin
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
