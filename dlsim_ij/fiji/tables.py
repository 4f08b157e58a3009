"""ImageJ's results tables as plain columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dlsim_ij.errors import FijiError

Table = dict[str, list[float | str]]


def from_results_table(table: Any) -> Table:
    """Return the columns of an ``ij.measure.ResultsTable`` by heading; text cells are strings."""
    n_rows = int(table.size())
    columns: Table = {}
    for heading in map(str, table.getHeadings()):
        index = int(table.getColumnIndex(heading))
        if heading == "Label" and not table.columnExists(index):
            columns[heading] = [str(table.getLabel(row) or "") for row in range(n_rows)]
            continue
        values: list[float | str] = np.array(table.getColumnAsDoubles(index)).tolist()
        for row, value in enumerate(values):
            if value != value:  # NaN stands for text as well
                text = str(table.getStringValue(index, row) or "")
                if text not in ("", "NaN"):
                    values[row] = text
        columns[heading] = values
    return columns


def open_tables() -> dict[str, Table]:
    """Return the tables that ImageJ holds now, by window title; "Results" is its own table."""
    from jpype import JClass

    found: dict[str, Table] = {}
    results = JClass("ij.measure.ResultsTable").getResultsTable()
    if results is not None and results.size() > 0:
        found["Results"] = from_results_table(results)
    text_window = JClass("ij.text.TextWindow")
    for window in JClass("ij.WindowManager").getNonImageWindows():
        if isinstance(window, text_window) and str(window.getTitle()) not in ("Results", "Log"):
            table = window.getResultsTable()
            if table is not None and table.size() > 0:
                found[str(window.getTitle())] = from_results_table(table)
    return found


def clear_results() -> None:
    """Empty ImageJ's own table without its question about unsaved measurements."""
    from jpype import JClass

    analyzer = JClass("ij.plugin.filter.Analyzer")
    analyzer.setUnsavedMeasurements(False)
    analyzer.resetCounter()


def add_row(title: str, label: str, values: Mapping[str, Any]) -> None:
    """Append a row to an open table, "Results" being ImageJ's own; another one is made if need be.

    Parameters
    ----------
    title : str
        Of the window.
    label : str
        For the column "Label".
    values : mapping
        Column to number, word, None (NaN), or a list, which becomes one word.

    Raises
    ------
    FijiError
        Another table than "Results" was asked for where there are no windows.
    """
    from jpype import JClass

    tables = JClass("ij.measure.ResultsTable")
    if title != "Results" and bool(JClass("java.awt.GraphicsEnvironment").isHeadless()):
        raise FijiError(
            f"a table '{title}' is a window, and there are none without a display",
            "use the bare option table, for ImageJ's own; or a display",
        )
    table = tables.getResultsTable() if title == "Results" else tables.getResultsTable(title)
    if table is None:
        table = tables()
    table.incrementCounter()
    if label:
        table.addLabel(label)
    for column, value in values.items():
        if isinstance(value, str):
            table.addValue(column, value)
        elif isinstance(value, (list, tuple)):
            table.addValue(column, ",".join(f"{item:.9g}" for item in value))
        else:
            table.addValue(column, float("nan") if value is None else float(value))
    table.show(title)
