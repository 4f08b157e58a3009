"""``--engine imagej|fiji`` of resolution and squirrel: the published plugins' numbers beside ours.

The plugins are GPL and not at hand, so doubles of our own stand in for them (stand_ins/): the documented
names of commands, options, tables and buttons, around numbers that tell which pixels arrived.
"""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest
import tifffile

pytestmark = pytest.mark.jvm


@pytest.fixture
def imagej_with_plugins(tmp_path, imagej_jar, plugin_jars):
    """Return a folder of a plain ImageJ that has both plugins."""
    folder = tmp_path / "my ImageJ"
    (folder / "plugins").mkdir(parents=True)
    (folder / "ij.jar").symlink_to(imagej_jar)
    for jar in plugin_jars:
        shutil.copy(jar, folder / "plugins")
    return folder


def dlsim(*words, **environ):
    return subprocess.run(
        [sys.executable, "-m", "dlsim_ij", *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environ},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def rows_of(table):
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_squirrel_shows_the_plugins_numbers_beside_ours(imagej_with_plugins, images):
    pair = ["--reference", images / "coarse.tif", "--image", images / "fine.tif"]
    done = dlsim(
        "squirrel", *pair, "--engine", "imagej", "--json", "--csv", images / "t.csv",
        "--max-magnification", 7, "--mode", "compat", DLSIM_IJ_JAR=str(imagej_with_plugins / "ij.jar"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    coarse, fine = (tifffile.imread(images / name) for name in ("coarse.tif", "fine.tif"))
    assert row["plugin"]["rsp"] == pytest.approx(coarse.mean() + 7, abs=1e-3)
    assert row["plugin"]["rse"] == pytest.approx(fine.mean(), abs=1e-3)
    assert abs(row["rsp"]) <= 1 < row["plugin"]["rsp"]
    (cells,) = rows_of(images / "t.csv")
    assert float(cells["plugin_rse"]) == pytest.approx(fine.mean(), abs=1e-3)


def test_resolution_presses_compute_and_knows_a_crash(imagej_with_plugins, images):
    done = dlsim(
        "resolution", images / "planes.tif", "--engine", "fiji", "--fiji", imagej_with_plugins,
        "--csv", images / "t.csv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "plugin" in done.stdout.splitlines()[0]
    first, second = rows_of(images / "t.csv")
    assert float(first["plugin_resolution_px"]) == pytest.approx(8, rel=1e-4)  # 2 / kc, kc = the mean
    assert float(first["plugin_resolution_um"]) == pytest.approx(0.4, rel=1e-4)
    assert float(first["plugin_kc_gm"]) == pytest.approx(0.125, rel=1e-4)
    assert float(first["plugin_a0"]) == pytest.approx(0.7)  # -1 if it had plotted
    assert (second["plugin_status"], second["plugin_resolution_px"]) == ("crash", "")
    assert second["resolution_px"] == first["resolution_px"]  # ours does not stop there


@pytest.mark.parametrize(
    ("words", "plugin"),
    [
        (["resolution", "fine.tif"], "ImDecorr"),
        (["squirrel", "--reference", "coarse.tif", "--image", "fine.tif"], "NanoJ-SQUIRREL"),
    ],
)
def test_an_imagej_without_the_plugin_is_one_line(images, words, plugin, imagej_jar):
    words = [images / word if word.endswith(".tif") else word for word in words]
    done = dlsim(*words, "--engine", "imagej", "--json", DLSIM_IJ_JAR=str(imagej_jar))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if plugin in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"warning: {imagej_jar} has no {plugin}, so there are our numbers only; ")
    assert "plugin" not in json.loads(done.stdout) or json.loads(done.stdout)["plugin"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resolution", "fine.tif", "--nr", "60"], "--nr is not at its own"),
        (
            ["squirrel", "--reference", "coarse.tif", "--image", "fine.tif", "--sigma", "1"],
            "--sigma is given",
        ),
    ],
)
def test_settings_that_the_plugin_would_not_heed_are_refused(images, words, message, capsys):
    from dlsim_ij.cli.main import run

    words = [str(images / word) if word.endswith(".tif") else word for word in words]
    assert run([*words, "--engine", "imagej"]) == 2
    assert message in capsys.readouterr().err
