"""Who may import what: the core's modules only import downwards, and each door has one keeper."""

import ast
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "gateway"

LAYERS = [
    {"redaction", "bearer", "limit"},
    {"errors"},
    {"strictjson", "content", "secret", "document", "address", "estimate", "drain"},
    {"call", "sse", "watch"},
    {"params", "usage"},
    {"pricing"},
    {"catalog", "provider"},
    {"surface", "ledger", "transport", "capability"},
    {"replay"},
    {"reply", "hold", "attachment", "recovery"},
    {"relay", "routing"},
    {"hookspecs"},
    {"plugins", "auth", "attempts"},
    {"config", "pipeline"},
    {"deployments", "explanation", "listing", "result"},
    {"views"},
    {"app"},
    {"serving", "testing", "sdk"},
    {"cli", "wsgi", "__init__"},
    {"__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
MODULES = sorted(path.stem for path in CORE.glob("*.py"))


def imports(module, *, typing_only=False):
    tree = ast.parse((CORE / f"{module}.py").read_text())
    guarded = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.dump(branch.test)
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if (id(node) in guarded) and not typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "gateway":
                yield from (f"gateway.{alias.name}" for alias in node.names)


def test_every_module_has_a_layer():
    assert set(RANK) == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_modules_import_downwards_only(module):
    for name in imports(module):
        if name.startswith("gateway."):
            other = name.split(".")[1]
            assert RANK[other] < RANK[module], f"{module} imports {other}, which is not below it"


@pytest.mark.parametrize(
    ("library", "keepers"),
    [
        ("flask", {"views", "app", "serving", "testing"}),
        ("werkzeug", {"views"}),
        ("pluggy", {"hookspecs", "plugins"}),
        ("urllib3", {"transport"}),
        ("gunicorn", {"serving"}),
        ("click", {"cli", "hookspecs"}),
        ("yaml", {"document"}),
        ("sqlalchemy", set()),
    ],
)
def test_each_library_has_its_keepers(library, keepers):
    users = {module for module in MODULES if any(name.split(".")[0] == library for name in imports(module))}
    assert users <= keepers


def test_only_the_transport_opens_connections():
    openers = (
        "HTTPAdapter",
        "requests.Session",
        "create_connection",
        "requests.post",
        "requests.get",
        "urlopen",
        ".connect(",
    )
    for module in MODULES:
        if module != "transport":
            text = (CORE / f"{module}.py").read_text()
            assert not [word for word in openers if word in text], module
