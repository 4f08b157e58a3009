"""`dlsim predict` with our own models: images by name, uncertainty, a calibration, three frames."""

import json

import numpy as np
import pytest
import torch

import dlsim_ij as dlsim
from dlsim_ij.bundles import save_bundle
from dlsim_ij.cli.main import run
from dlsim_ij.networks import create_network
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import Conditions, paper_patterns

CARD = {
    "scale": 2,
    "side_multiple": 8,
    "frames": {"total": 15, "selection": list(range(15))},
    "outputs": ["wiener", "object"],
    "interval": {"level": 0.9},
    "normalisation": {"kind": "robust"},
    "pixel_size_um": 0.06,
    "optics": {"na": 1.49, "emission_nm": 525.0},
}


def _save(folder, kind, channels):
    torch.manual_seed(0)
    options = {"in_channels": channels, "width": 4, "images": 2, "interval": True}
    network = create_network("native", **options)
    torch.nn.init.normal_(network.head.weight, std=0.05)
    card = {
        **CARD,
        "name": folder.name,
        "architecture": {"name": "native", "options": options},
        "in_channels": channels,
        "input": {"kind": kind, "n_angles": 3, "n_phases": [5, 3]},
    }
    save_bundle(folder, network, card)
    return str(folder)


@pytest.fixture(scope="module")
def raw():
    rng = np.random.default_rng(4)
    conditions = Conditions(patterns=paper_patterns(phases_rad=(0.3, 1.0, 2.0)), intensity=(1.0,) * 15)
    return simulate_sim(draw_structure("microtubules", (256, 256), 0.03, rng), conditions, rng).raw


@pytest.fixture(scope="module")
def places(tmp_path_factory, raw):
    folder = tmp_path_factory.mktemp("options")
    dlsim.write_image(folder / "cell.tif", raw, pixel_size_um=0.06)
    dlsim.write_image(folder / "three.tif", raw[::5], pixel_size_um=0.06)
    _save(folder / "all", "wiener-channels", 11)
    _save(folder / "few", "three-frames", 23)
    assert run(["recon", str(folder / "cell.tif"), "-o", str(folder / "recon"), "-q"]) == 0
    return folder


def read(path):
    return dlsim.read_image(path).values


def test_an_image_by_name_with_its_uncertainty(places, tmp_path, capfd):
    args = ["predict", str(places / "cell.tif"), "--model", str(places / "all"), "--uncertainty", "--json"]
    assert run([*args, "-o", str(tmp_path / "a")]) == 0
    row = json.loads(capfd.readouterr().out)
    assert row["uncertainty"] == str(tmp_path / "a" / "cell_sd.tif")
    assert run([*args, "-o", str(tmp_path / "b"), "--target", "object"]) == 0
    capfd.readouterr()
    assert (read(tmp_path / "a" / "cell_sd.tif") > 0).all()
    assert not np.array_equal(read(tmp_path / "a" / "cell_sr.tif"), read(tmp_path / "b" / "cell_sr.tif"))
    assert run([*args, "-o", str(tmp_path / "c"), "--target", "objekt"]) == 2
    assert "'wiener', 'object'" in capfd.readouterr().err


def test_three_frames_take_their_pattern_from_a_calibration(places, tmp_path, capfd):
    args = ["predict", str(places / "three.tif"), "--model", str(places / "few"), "--layout", "3x1"]
    known = ["--parameters", str(places / "recon" / "cell_wiener.json")]
    assert run([*args, *known, "-o", str(tmp_path / "a"), "-q"]) == 0
    whole = ["predict", str(places / "cell.tif"), "--model", str(places / "few"), "-o", str(tmp_path / "b")]
    assert run([*whole, "-q"]) == 0
    alone, of_all = read(tmp_path / "a" / "three_sr.tif"), read(tmp_path / "b" / "cell_sr.tif")
    assert alone.shape == of_all.shape == (256, 256)
    assert np.corrcoef(alone.ravel(), of_all.ravel())[0, 1] > 0.95
    assert run([*args, "-o", str(tmp_path / "c")]) == 2
    assert "--parameters FILE" in capfd.readouterr().err


def test_run_needs_a_whole_stack(places, tmp_path, capfd):
    args = ["run", str(places / "three.tif"), "--model", str(places / "few"), "--layout", "3x1"]
    known = ["--parameters", str(places / "recon" / "cell_wiener.json")]
    assert run([*args, *known, "-o", str(tmp_path / "out"), "--engine", "none"]) == 2
    assert "dlsim predict" in capfd.readouterr().err


def test_run_writes_and_shows_the_uncertainty(places, tmp_path, capfd):
    args = ["run", str(places / "cell.tif"), "--model", str(places / "all"), "--engine", "none", "--json"]
    assert run([*args, "-o", str(tmp_path / "out")]) == 0
    row = json.loads(capfd.readouterr().out)
    assert row["outputs"]["uncertainty"] == str(tmp_path / "out" / "cell_sd.tif")
    assert 0 < row["metrics"]["uncertainty_percent"] < 1000
    assert 0 <= row["metrics"]["doubtful_percent"] <= 100
    report = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "error that the network itself expects" in report


def test_a_calibration_of_another_camera_is_refused(places, tmp_path, capfd):
    args = ["predict", str(places / "cell.tif"), "--model", str(places / "all"), "--pixel-size", "0.08"]
    known = ["--parameters", str(places / "recon" / "cell_wiener.json")]
    assert run([*args, *known, "-o", str(tmp_path / "out")]) == 2
    assert "60 nm" in capfd.readouterr().err


def test_a_model_without_intervals_has_no_uncertainty_to_write(places, tmp_path, capfd):
    network = create_network("native", width=4)
    card = {key: value for key, value in CARD.items() if key not in ("outputs", "interval")}
    card |= {
        "name": "plain",
        "architecture": {"name": "native", "options": {"width": 4}},
        "in_channels": 11,
        "input": {"kind": "wiener-channels", "n_angles": 3},
    }
    save_bundle(tmp_path / "plain", network, card)
    args = ["predict", str(places / "cell.tif"), "--model", str(tmp_path / "plain"), "--uncertainty"]
    assert run([*args, "-o", str(tmp_path / "out")]) == 2
    assert "how sure" in capfd.readouterr().err
