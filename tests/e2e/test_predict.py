import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import dlsim_ij as dlsim
from dlsim_ij.bundles import save_bundle
from dlsim_ij.cli.main import run
from dlsim_ij.networks import create_network
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import Conditions, paper_patterns


@pytest.fixture(scope="module")
def raw():
    rng = np.random.default_rng(4)
    conditions = Conditions(patterns=paper_patterns(phases_rad=(0.3, 1.0, 2.0)), intensity=(1.0,) * 15)
    return simulate_sim(draw_structure("microtubules", (128, 144), 0.03, rng), conditions, rng).raw


@pytest.fixture
def stack(tmp_path, raw):
    return dlsim.write_image(tmp_path / "in" / "cell.tif", raw, pixel_size_um=0.06)


@pytest.fixture(autouse=True)
def folder(tmp_path):
    (tmp_path / "in").mkdir()


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def test_the_image_has_half_the_pixel_size_in_float32(tmp_path, stack, capfd):
    assert run(["predict", str(stack), "-o", str(tmp_path / "out"), "--json"]) == 0
    (row,) = rows(capfd.readouterr().out)
    image = dlsim.read_image(row["output"])
    assert row["output"] == str(tmp_path / "out" / "cell_sr.tif")
    assert row["seconds"] > 0
    assert image.shape == (128, 144)
    assert image.dtype == np.float32
    assert image.attrs["pixel_size_um"] == pytest.approx(0.03, rel=1e-4)


def test_a_series_stays_a_series(tmp_path, raw, capfd):
    path = dlsim.write_image(tmp_path / "in" / "movie.tif", np.concatenate([raw, raw]), pixel_size_um=0.06)
    assert run(["predict", str(path), "-o", str(tmp_path / "out"), "--ome", "-q"]) == 0
    image = dlsim.read_image(tmp_path / "out" / "movie_sr.ome.tif")
    assert image.sizes == {"T": 2, "Y": 128, "X": 144}
    np.testing.assert_array_equal(image.values[0], image.values[1])


def test_folders_are_mirrored_and_a_bad_input_stops_no_other(tmp_path, raw, capfd):
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir()
        dlsim.write_image(tmp_path / "in" / name / "cell.tif", raw, pixel_size_um=0.06)
    dlsim.write_image(tmp_path / "in" / "short.tif", raw[:14], pixel_size_um=0.06)
    out = tmp_path / "out"
    assert run(["predict", str(tmp_path / "in"), "-o", str(out), "--json"]) == 1
    text = capfd.readouterr()
    assert [row["output"] for row in rows(text.out)] == [
        str(out / "a" / "cell_sr.tif"), str(out / "b" / "cell_sr.tif")
    ]  # fmt: skip
    assert "short.tif: short has 14 along I, not 15 frames" in text.err
    assert "hint: " in text.err
    assert sorted(path.name for path in out.rglob("*.tif")) == ["cell_sr.tif", "cell_sr.tif"]


def test_nothing_usable_is_a_refusal(tmp_path, raw, capfd):
    for name in ("one.tif", "two.tif"):
        dlsim.write_image(tmp_path / "in" / name, raw[:14])
    assert run(["predict", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 2
    assert "none of the inputs could be used" in capfd.readouterr().err


def test_an_output_in_the_way_is_refused_before_any_work(tmp_path, stack, capfd):
    target = tmp_path / "out" / "cell_sr.tif"
    target.parent.mkdir()
    target.write_text("mine")
    words = ["predict", str(stack), "-o", str(tmp_path / "out"), "-q"]
    assert run(words) == 2
    assert target.read_text() == "mine"
    assert run([*words, "--overwrite"]) == 0
    assert dlsim.read_image(target).shape == (128, 144)


def test_a_dry_run_writes_nothing(tmp_path, stack, capfd):
    assert run(["predict", str(stack), "-o", str(tmp_path / "out"), "--dry-run", "--json"]) == 0
    (row,) = rows(capfd.readouterr().out)
    assert row["dry_run"] is True
    assert not (tmp_path / "out").exists()


def test_tiles_that_are_too_small_are_named(tmp_path, stack, capfd):
    assert run(["predict", str(stack), "-o", str(tmp_path / "out"), "--tile-px", "32"]) == 2
    assert "tiles of 32 px are too small" in capfd.readouterr().err
    assert list((tmp_path / "out").rglob("*.tif")) == [] if (tmp_path / "out").exists() else True


def test_a_network_of_the_seeds_kind(tmp_path, stack, capfd):
    card = {
        "name": "mine", "architecture": {"name": "unet-sim4", "options": {"width": 4}},
        "in_channels": 4, "scale": 1, "side_multiple": 16, "batchnorm": "running",
        "frames": {"total": 15, "selection": [0, 5, 10], "summary": "mean"},
        "input": {"kind": "raw-frames", "selection": "sim4-mean", "enlargement": 2},
        "normalisation": {"kind": "seed", "input": 5315.0, "output": 15383.0, "truth_gain": 1.0},
    }  # fmt: skip
    network = create_network("unet-sim4", width=4)
    with torch.no_grad():  # random weights alone may give nothing but negative intensities, which are clipped
        list(network.parameters())[-1].fill_(0.5)
    save_bundle(tmp_path / "mine", network, card)
    words = ["predict", str(stack), "--model", str(tmp_path / "mine"), "-q"]
    assert run([*words, "-o", str(tmp_path / "running")]) == 0
    assert run([*words, "-o", str(tmp_path / "own"), "--batchnorm", "per-image"]) == 0
    running, own = (dlsim.read_image(tmp_path / name / "cell_sr.tif") for name in ("running", "own"))
    assert running.shape == own.shape == (128, 144)
    assert running.any() and own.any()  # noqa: PT018 (one claim)
    assert not np.allclose(running, own)
    assert run([*words, "-o", str(tmp_path / "x"), "--batchnorm", "per-image", "--tile-px", "64"]) == 2
    assert "cannot run on tiles" in capfd.readouterr().err


def test_a_process_of_its_own(tmp_path, stack):
    command = [sys.executable, "-m", "dlsim_ij", "predict", str(stack), "-o", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'out' / 'cell_sr.tif'}\n")
