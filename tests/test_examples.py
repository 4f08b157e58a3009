"""The scripts of examples/ do what they say."""

import csv
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run
from dlsim_ij.inference import load_model, predict

ROOT = Path(__file__).parent.parent


@pytest.fixture
def example(tmp_path, monkeypatch, capsys):
    """Run an example as a script in an empty folder; give what it printed, line by line."""
    monkeypatch.chdir(tmp_path)

    def start(name, *words):
        monkeypatch.setattr(sys, "argv", [name, *words])
        runpy.run_path(str(ROOT / "examples" / name), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return start


def test_every_example_is_run_here():
    by_hand = Path(__file__).parent / "fiji" / "test_real_fiji_plugins.py"  # needs a Fiji and PyImageJ
    source = "".join(path.read_text(encoding="utf-8") for path in (Path(__file__), by_hand))
    scripts = [path.name for path in (ROOT / "examples").glob("*.py")]
    assert scripts
    assert [name for name in scripts if f'"{name}"' not in source] == []


def test_reconstruct(example, tmp_path):
    lines = example("01_reconstruct.py")
    decibels = {line.split()[0]: float(line.split()[1]) for line in lines if line.endswith(" dB")}
    assert decibels["network"] > decibels["Wiener"] > decibels["widefield"]
    assert dlsim.read_image(tmp_path / "reconstructed_sr.tif").shape == (384, 384)
    assert (tmp_path / "reconstructed.png").stat().st_size > 10_000


def test_how_much_light(example, tmp_path):
    lines = example("02_how_much_light.py")
    scores = np.array([[float(word) for word in line.split() if word[0].isdigit()] for line in lines])
    photons, network = scores[:, 0], scores[:, -1]  # a line: photons, widefield, Wiener, network
    assert list(photons) == [3, 10, 30, 100, 300]
    assert network[-1] > network[0] + 1  # more light, better image
    assert network[0] > scores[0, 1] + 1  # and even in the dark better than widefield
    assert (tmp_path / "how_much_light.png").exists()


def test_srrf_blinking(example, tmp_path):
    likeness = {line[:15].strip(): float(line[15:]) for line in example("srrf_blinking.py")}
    assert likeness["SRRF TRA"] > likeness["SRRF, drifting"] > likeness["widefield"]
    assert likeness["eSRRF VAR"] > likeness["widefield"]
    assert dlsim.read_image(tmp_path / "srrf_blinking.tif").attrs["pixel_size_um"] == pytest.approx(0.02)
    assert (tmp_path / "srrf_blinking.png").stat().st_size > 10_000


def test_train_like(example, tmp_path):
    lines = example("train_like.py")
    assert lines[0].startswith("demo_raw: ")
    assert len([line for line in lines if "held-out simulated fields" in line]) >= 1
    assert (tmp_path / "tuned" / "proof.png").stat().st_size > 10_000
    assert lines[-1] == "not better, not kept" or (tmp_path / "tuned" / "model" / "model.json").exists()


@pytest.mark.jvm
def test_macro_in_the_loop(example, tmp_path, fiji):
    lines = example("03_macro_in_the_loop.py")
    assert lines[-1] == "imagej"
    with (tmp_path / "pieces.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for row in rows:
        assert int(row["pieces"]) >= 1
        assert 0.02 <= float(row["largest_area_um2"]) < 7.68**2  # smaller than the field


def test_the_demo_stack_can_be_made_again(example):
    """The committed files are what the script makes; pixels may differ by rounding between machines."""
    example("make_demo_stack.py", ".")
    for name in ("demo_raw.tif", "demo_truth.tif"):
        made, kept = dlsim.read_image(name), dlsim.read_image(ROOT / "examples" / name)
        assert made.attrs["pixel_size_um"] == kept.attrs["pixel_size_um"]
        assert made.shape == kept.shape
        assert np.mean(made.values != kept.values) < 1e-3 or np.allclose(made.values, kept.values, rtol=1e-4)
    made, kept = (
        json.loads((folder / "demo_parameters.json").read_text()) for folder in (Path(), ROOT / "examples")
    )
    assert made["conditions"]["camera"] == kept["conditions"]["camera"]


def test_the_figure_of_the_readme_can_be_drawn_again(example, tmp_path):
    assert run(["run", str(ROOT / "examples" / "demo_raw.tif"), "-o", "demo_out", "-q"]) == 0
    example("make_readme_figure.py", "demo_out", "demo.png")
    assert 20_000 < (tmp_path / "demo.png").stat().st_size < 400_000
    assert (ROOT / "docs" / "images" / "demo.png").stat().st_size < 400_000


def test_appose_worker(tmp_path):
    """Through Appose's own package, as the plugins of Fiji do it from Java."""
    pytest.importorskip("appose", reason="pip install appose")
    # a process of its own: Appose never closes the pipes of its worker
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "appose_worker.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(" stack: " in line for line in lines) == 2
    written = dlsim.read_image(tmp_path / "appose_sr.tif")
    here = predict(load_model("sim15"), dlsim.read_image(ROOT / "examples" / "demo_raw.tif").values).image
    np.testing.assert_allclose(written.values, here, rtol=1e-4, atol=1e-3)
    assert written.attrs["pixel_size_um"] == pytest.approx(0.03)


def test_simulate_like(example, tmp_path):
    lines = example("simulate_like.py")
    assert sum("period 49" in line for line in lines) == 3  # the demo's 493 nm
    likeness = {line.split(":")[0]: float(line.split()[-5]) for line in lines if line.endswith(" sd")}
    assert likeness["its scene, simulated"] < 1
    assert likeness["another cell"] < 2
    raw, truth = (dlsim.read_image(tmp_path / f"like_{kind}.tif") for kind in ("raw", "truth"))
    assert (raw.shape, truth.shape) == ((15, 192, 192), (384, 384))
    assert truth.attrs["pixel_size_um"] == pytest.approx(0.03)
    assert (tmp_path / "like.png").stat().st_size > 10_000


def test_simulate_gallery(example, tmp_path):
    means = {line.split(":")[0]: float(line.split()[-2]) for line in example("simulate_gallery.py")}
    assert len(means) == 9
    assert means["2 photons"] < means["10 photons"] < means["60 % bleached"] < means["300 photons"]
    assert (tmp_path / "simulation.png").stat().st_size > 50_000


def test_wiener_sim_sharpens_and_finds_uneven_phases(example, tmp_path):
    lines = example("wiener_sim.py")
    decibels = {line[:24].strip(): float(line.split()[-2]) for line in lines if line.endswith(" dB")}
    assert decibels["standard"] > decibels["widefield"] + 6
    assert decibels["uneven, estimated"] > decibels["uneven, known"] + 8
    assert dlsim.read_image(tmp_path / "wiener_sim.tif").attrs["pixel_size_um"] == pytest.approx(0.03)
    assert (tmp_path / "wiener_sim.png").stat().st_size > 10_000


def test_dose_curve(example, tmp_path):
    lines = [line for line in example("dose_curve.py") if "1/100:" in line]
    darkest = {line.split()[0]: float(line.split("1/100: ")[1].split()[0]) for line in lines}
    assert darkest["sim15"] > darkest["wiener-soft"] + 1 > darkest["wiener"] + 2
    for name in ("dose_curve.png", "dose_curve_images.png"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_check_acquisition(example, tmp_path):
    lines = example("check_acquisition.py")
    found = [line.split() for line in lines if "confidence" in line]
    assert [("angle-major" in words, "not" not in words) for words in found] == [
        (True, True), (True, True), (False, False), (True, True), (False, False), (True, True),
    ]  # fmt: skip
    assert "photo-electrons" in lines[-1]
    assert (tmp_path / "check_acquisition.png").stat().st_size > 10_000


def test_the_round_trip_tells_true_from_invented(example, tmp_path):
    lines = dict(line.split(": ", 1) for line in example("round_trip.py"))
    assert "contradict" not in lines["Wiener"] + lines["widefield"]
    assert "shows light that the frames do not have" in lines["a filament added"]
    assert "lacks light that the frames have" in lines["a place wiped out"]
    assert "misses detail" in lines["widefield"]
    assert (tmp_path / "round_trip.png").stat().st_size > 10_000
