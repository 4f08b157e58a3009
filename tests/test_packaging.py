"""What is packed, and the citation file."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import dlsim_ij

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file).namelist()


@pytest.mark.parametrize(
    "ending",
    [
        "dlsim_ij/py.typed",
        "dlsim_ij/bundles/weights/sim15/weights.safetensors",
        "dlsim_ij/bundles/weights/sim15/model.json",
        "dlsim_ij/report/metrics.schema.json",
        "dlsim_ij/report/templates/report.html.j2",
        "share/dlsim_ij/fiji_macros/dlsim_run.ijm",
        "licenses/LICENSE",
    ],
)
def test_the_wheel_holds(wheel, ending):
    assert any(name.endswith(ending) for name in wheel), wheel


def test_every_module_is_in_the_wheel_and_no_test(wheel):
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "dlsim_ij").rglob("*.py")}
    assert modules <= set(wheel)
    assert not [name for name in wheel if name.startswith(("tests", "benchmarks", "examples"))]


def test_the_citation_file_tells_the_version_and_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == dlsim_ij.__version__
    paper = citation["preferred-citation"]
    assert paper["doi"] == "10.1038/s41467-020-15784-x"
    assert all({"family-names", "given-names"} <= set(author) for author in paper["authors"])
