"""A fork: gunicorn loads the application, then forks it, and threads, locks and connections do not come along."""

import os
import weakref
from collections.abc import Callable


def at_fork(
    *,
    child: Callable[[], None],
    before: Callable[[], None] | None = None,
    parent: Callable[[], None] | None = None,
) -> None:
    """Have bound methods called around every fork, for as long as their object lives."""
    os.register_at_fork(
        before=_weakly(before) if before else _nothing,
        after_in_parent=_weakly(parent) if parent else _nothing,
        after_in_child=_weakly(child),
    )


def _weakly(method: Callable[[], None]) -> Callable[[], None]:
    reference = weakref.WeakMethod(method)

    def call() -> None:
        found = reference()
        if found is not None:
            found()

    return call


def _nothing() -> None:
    pass
