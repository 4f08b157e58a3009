"""The notebook of examples/ runs from top to bottom, and is kept without outputs."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def printed(cell):
    return "".join(output.get("text", "") for output in cell.get("outputs", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_it_is_stripped_and_needs_pip_only(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            magic = [line.strip() for line in cell.source.splitlines() if line.strip()[:1] in ("%", "!")]
            assert all(line.startswith("%pip install") for line in magic)
    assert any('%pip install -q "dlsim-ij[java]"' in cell.source for cell in notebook.cells)


@pytest.mark.jvm
def test_the_workflow_runs(tmp_path):
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    text = "\n".join(map(printed, cells))
    assert "3x5, angle-major" in text
    assert "fit: True" in text
    lines = [line for line in text.splitlines() if " dB " in line]
    decibels = {line.split()[0]: float(line.split(" dB")[0].split()[-1]) for line in lines}
    assert decibels["network"] > decibels["Wiener"] > decibels["widefield"]
    assert " pieces, the largest " in text
    assert "status=ok" in text
    pictures = [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert (tmp_path / "network.tif").exists()
