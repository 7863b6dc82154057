"""What may import what: common_fate < pipeline < trainers, no circles, and heavy libraries only where they belong."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("common_fate", "pipeline", "trainers")
ABOVE = {"common_fate": ("pipeline", "trainers"), "pipeline": ("trainers",), "trainers": ()}
HEAVY = ("torch", "torchvision", "lightning", "webdataset", "ptlflow", "timm")


def modules_of(package: str) -> dict[str, Path]:
    """The modules of a package by dotted name; a package's own `__init__` has its name."""
    files = sorted((ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


ALL = {name: path for package in PACKAGES for name, path in modules_of(package).items()}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported(node: ast.AST) -> Iterator[str]:
    """What one import statement names: modules, and what is taken from them, by dotted name."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def everywhere(path: Path) -> Iterator[str]:
    """All imports of a file: in functions, under TYPE_CHECKING, and as text that is a module's name."""
    for node in ast.walk(tree_of(path)):
        yield from imported(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"^((?:common_fate|pipeline|trainers)(?:\.\w+)+)(?::\w+)?$", node.value)


def at_import(body: list[ast.stmt]) -> Iterator[str]:
    """The imports that run when a file is imported."""
    for node in body:
        yield from imported(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from at_import(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.ClassDef):
            parts = [getattr(node, name, []) for name in ("body", "orelse", "finalbody")]
            parts += [handler.body for handler in getattr(node, "handlers", [])]
            for part in parts:
                yield from at_import(part)


def module_named(name: str) -> str | None:
    """The module of ours that a dotted name is of."""
    while name:
        if name in ALL:
            return name
        name = name.rpartition(".")[0]
    return None


def circle(edges: dict[str, set[str]]) -> list[str]:
    """A round of modules each of which imports the next; empty where there is none."""
    done: set[str] = set()

    def walked(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name not in done:
            for other in sorted(edges[name]):
                if found := walked(other, [*way, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in edges if (found := walked(name, []))), [])


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_imports_upward(package: str):
    upward = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules_of(package).values()
        for name in everywhere(path)
        if name.split(".")[0] in ABOVE[package]
    ]
    assert upward == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_modules_import_each_other_in_a_circle(package: str):
    modules = modules_of(package)
    edges = {
        name: {other for one in at_import(tree_of(path).body) if (other := module_named(one)) in modules} - {name}
        for name, path in modules.items()
    }
    assert circle(edges) == []


@pytest.mark.parametrize(
    ("package", "libraries", "only_in"),
    [
        ("common_fate", (*HEAVY, "snakemake"), "common_fate/torch/"),
        ("common_fate", ("numba",), "common_fate/compiled.py"),
        ("common_fate", ("scipy", "yaml", "av"), "nowhere"),
        ("pipeline", HEAVY, "pipeline/columns/flow/networks/"),
    ],
)
def test_libraries_are_imported_where_they_belong(package: str, libraries: tuple[str, ...], only_in: str):
    """In the pipeline, whoever runs a network imports it then; common_fate has no other place for such a library."""
    named = everywhere if package == "common_fate" else lambda path: at_import(tree_of(path).body)
    strays = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in modules_of(package).values()
        for name in named(path)
        if name.split(".")[0] in libraries and not str(path.relative_to(ROOT)).startswith(only_in)
    ]
    assert strays == []


def printed(code: str) -> str:
    """What a Python of its own prints."""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_commands_and_plans_start_without_what_only_some_jobs_run():
    code = (
        "import sys, pipeline.cli.app; print(*{'aiohttp'} & set(sys.modules)); import trainers.cli; "
        "print(*{'numba', 'scipy', 'torch', 'blosc2'} & set(sys.modules))"
    )
    assert printed(code) == ""


def test_lists_of_commands_do_without_torch():
    code = (
        "import sys, trainers.cli; from typer.testing import CliRunner; "
        "done = CliRunner().invoke(trainers.cli.app, ['--help']); print(done.exit_code, 'torch' in sys.modules)"
    )
    assert printed(code) == "0 False"


def test_circles_and_lazy_imports_are_told_apart():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    source = (
        "import a\nif TYPE_CHECKING:\n import b\ntry:\n import c\nexcept ImportError:\n import d\ndef f():\n import e"
    )
    assert list(at_import(ast.parse(source).body)) == ["a", "c", "d"]
