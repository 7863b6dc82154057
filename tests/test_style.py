"""How docstrings begin: of each public function and method with what it does, a verb in the third person."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("common_fate", "pipeline", "trainers")
WORDS = """
Adds Begins Brings Builds Checks Chooses Collects Composes Computes Converts Copies Counts Creates Dates Decodes
Deletes Describes Divides Downloads Draws Encodes Ends Expands Fetches Fills Finds Fine-tunes Goes Holds Imports
Infers Joins Keeps Lets Lists Loads Makes Measures Merges Moves Notes Opens Packs Paints Parses Passes Predicts Raises
Reads Renders Replaces Resolves Returns Runs Says Scores Serves Sets Shortens Shrinks Smooths Splits Sums Takes Thins
Trains Updates Validates Warps Writes Yields
"""
VERBS = frozenset(WORDS.split())


def is_command_line(path: Path) -> bool:
    """Whether a module's docstrings are the help of commands, which tells the user what to do: `Write a view's ...`."""
    return path.stem in ("cli", "commands") or path.parts[:2] == ("pipeline", "cli")


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator).endswith("property") for decorator in function.decorator_list)


def public_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The public functions of a module, and the public methods of its public classes, but no properties."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield from public_functions(node.body)
        elif not is_property(node):
            yield node


def faults(text: str, name: str) -> list[str]:
    """Where a docstring does not begin with a known verb: file, line and its first word."""
    found = []
    for function in public_functions(ast.parse(text).body):
        if docstring := ast.get_docstring(function):
            word = docstring.split()[0].rstrip(".,:;")
            if word not in VERBS:
                found.append(f"{name}:{function.lineno}: {function.name}: begins with {word!r}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_begin_with_a_verb(package: str) -> None:
    paths = [path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py"))]
    found = [
        fault
        for path in paths
        if not is_command_line(path)
        for fault in faults((ROOT / path).read_text(), path.as_posix())
    ]
    assert not found, "\n".join(["say what it does, with a verb of VERBS, or one more in it:", *found])


def test_a_docstring_that_begins_otherwise_is_found() -> None:
    text = """
def flow():
    '''The flow.'''

def _hidden():
    '''Anything.'''

def undocumented():
    pass

class Store:
    '''A store.'''

    def has(self):
        '''Whether it is there.'''

    def path(self):
        '''Returns where it is.'''

    @property
    def size(self):
        '''The size.'''

class _Hidden:
    def has(self):
        '''Whether it is there.'''
"""
    assert faults(text, "a.py") == ["a.py:2: flow: begins with 'The'", "a.py:14: has: begins with 'Whether'"]
