"""Every hook is in the README with its exact signature, says what it has to say, and has a test of its own."""

import ast
import re
from pathlib import Path

import pytest

from gateway import hookspecs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TREE = ast.parse((ROOT / "gateway" / "hookspecs.py").read_text())
SPECS = {
    node.name: node
    for node in TREE.body
    if isinstance(node, ast.FunctionDef)
    and any("hookspec" in ast.unparse(decorator) for decorator in node.decorator_list)
}


def signature(node):
    arguments = ", ".join(argument.arg for argument in node.args.args)
    return f"{node.name}({arguments})"


def test_the_lists_of_hooks_are_whole():
    assert set(SPECS) == {*hookspecs.STARTUP_HOOKS, *hookspecs.REQUEST_HOOKS, *hookspecs.STANDING_HOOKS}


@pytest.mark.parametrize("name", SPECS)
def test_the_readme_shows_the_exact_signature(name):
    assert f"`{signature(SPECS[name])}`" in README


@pytest.mark.parametrize("name", SPECS)
def test_the_text_says_when_and_who(name):
    text = ast.get_docstring(SPECS[name])
    assert text.startswith("When: ")
    assert "Who: " in text
    assert re.search(r"\b[Rr]eturn|\bWrite", text)


@pytest.mark.parametrize("name", SPECS)
def test_the_hook_has_a_test(name):
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    assert any(f"def test_hook_{name}" in text for text in tests)


@pytest.mark.parametrize("name", SPECS)
def test_the_hook_has_a_shipped_user(name):
    users = [path for folder in ("plugins", "docs/examples") for path in (ROOT / folder).rglob("*.py")]
    users += [ROOT / "gateway" / f"{module}.py" for module in ("auth", "app")]
    assert [path for path in users if "tests" not in path.parts and f"def {name}(" in path.read_text()]
