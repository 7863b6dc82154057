"""Runs a notebook's cells one after the other in plain Python, without Jupyter, and keeps what they show.

python -m tests.support.notebook docs/tour.ipynb    # writes the outputs into the notebook
"""

import ast
import base64
import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

FREE = "varies"
"""The tag of cells whose output is another one from machine to machine."""


def executed(notebook: NotebookNode) -> NotebookNode:
    """Returns the notebook with the outputs of its cells, run in one namespace. What they raise passes through."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(cells, 1):
        cell.outputs, cell.execution_count = _outputs(cell.source, names, number), number
    return notebook


def _outputs(source: str, names: dict[str, Any], number: int) -> list[NotebookNode]:
    """What a cell prints, and the value of the expression that it ends with."""
    tree, last = ast.parse(source), None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), names)
        if last:
            value = eval(compile(last, f"cell {number}", "eval"), names)
    said = [new_output("stream", name="stdout", text=printed.getvalue())] if printed.getvalue() else []
    shown = [] if value is None else [new_output("execute_result", data=_shown(value), execution_count=number)]
    return said + shown


def _shown(value: Any) -> dict[str, str]:
    if not hasattr(value, "_repr_jpeg_"):
        return {"text/plain": repr(value)}
    return {"image/jpeg": base64.b64encode(value._repr_jpeg_()).decode(), "text/plain": "a picture"}


def main() -> None:
    path = Path(sys.argv[1]).absolute()
    to = Path(sys.argv[2]).absolute() if len(sys.argv) > 2 else path
    nbformat.write(executed(nbformat.read(path, 4)), to)


if __name__ == "__main__":
    main()
