"""Executes notebooks, each in a kernel of its own, and asks Muara itself for each of their figures.

A figure is an assignment `name = lake.sql("…")` or `name = lake.sql("…", at=point)` in a cell: whoever writes one has it
compared. Arguments: address of a Muara, token, notebooks. Prints `{notebook: {figure: rows}}` as JSON; fails where a
cell does, where a figure is not what `/v1/sql` answers to the same statement, and where a statement is not literal.
"""

from __future__ import annotations

import ast
import datetime
import decimal
import json
import math
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import nbclient
import nbformat
import pyarrow
import pyarrow.ipc

CELL_SECONDS_MAX = 60
#: Of floats, whose sums depend on the order of rows.
TOLERANCE = 1e-9


class Figure(NamedTuple):
    name: str
    query: str
    #: Python text of the point in time; None is now.
    at: str | None


def figures_of(source: str) -> list[Figure]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "lake.sql"):
            continue
        if not (node.args and isinstance(node.args[0], ast.Constant)):
            raise ValueError(f"line {node.lineno}: the statement is not literal, so nobody can ask it elsewhere")
    for node in ast.parse(source).body:
        call = node.value if isinstance(node, ast.Assign) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "lake.sql":
            at = next((ast.unparse(word.value) for word in call.keywords if word.arg == "at"), None)
            found.append(Figure(ast.unparse(node.targets[0]), call.args[0].value, at))
    return found


def execute(path: Path, ask: Any) -> dict[str, list[list[str]]]:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    figures = [figure for source in sources for figure in figures_of(source)]
    with tempfile.TemporaryDirectory() as folder:
        # A last cell, of ours: each figure as Arrow, beside the point in time that it stands for.
        lines = ["import json as _json, pyarrow.ipc as _ipc"]
        for figure in figures:
            place = json.dumps(str(Path(folder, figure.name)))
            lines += [
                f"_rows = {figure.name}.to_arrow()",
                f"with _ipc.new_file({place}, _rows.schema) as _file: _file.write_table(_rows)",
                f"open({place} + '.at', 'w').write(_json.dumps({figure.at}))",
            ]
        notebook.cells.append(nbformat.v4.new_code_cell("\n".join(lines)))
        client = nbclient.NotebookClient(
            notebook, timeout=CELL_SECONDS_MAX, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
        )
        client.execute()
        return {figure.name: compared(path.name, figure, Path(folder), ask) for figure in figures}


def compared(notebook: str, figure: Figure, folder: Path, ask: Any) -> list[list[str]]:
    with pyarrow.ipc.open_file(folder / figure.name) as file:
        own = file.read_all()
    at = json.loads((folder / f"{figure.name}.at").read_text())
    theirs = ask(figure.query, at)
    where = f"{notebook}: {figure.name}"
    assert own.column_names == theirs.column_names, f"{where}: {own.column_names} are not {theirs.column_names}"
    assert own.num_rows == theirs.num_rows, f"{where}: {own.num_rows} rows, {theirs.num_rows} by /v1/sql"
    assert own.num_rows > 0 or figure.name == "at_risk", f"{where}: there is nothing to compare"
    for name in own.column_names:
        for row, (one, other) in enumerate(zip(own[name].to_pylist(), theirs[name].to_pylist())):
            assert is_same(one, other), f"{where}: {name} of row {row} is {one!r}, by /v1/sql {other!r}"
    return [[str(value) for value in row.values()] for row in own.to_pylist()]


def is_same(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE)
    if isinstance(one, (int, decimal.Decimal)) and not isinstance(one, bool):
        return decimal.Decimal(one) == decimal.Decimal(other)
    if isinstance(one, datetime.datetime):
        return one.astimezone(datetime.timezone.utc) == other.astimezone(datetime.timezone.utc)
    return type(one) is type(other) and one == other


def main(url: str, token: str, paths: list[str]) -> None:
    def ask(query: str, at: Any) -> pyarrow.Table:
        body = {"sql": query, "limit": 100_000} | ({} if at is None else {"at": at})
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        headers["accept"] = "application/vnd.apache.arrow.stream"
        request = urllib.request.Request(f"{url}/v1/sql", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request) as answer, pyarrow.ipc.open_stream(answer.read()) as stream:
                return stream.read_all()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"/v1/sql: {error.read().decode()}\n{query}") from error

    print(json.dumps({Path(path).name: execute(Path(path), ask) for path in paths}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
