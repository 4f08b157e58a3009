"""``dlsim predict`` with a model for blinking samples: five frames, series, refusals."""

import json

import numpy as np
import pytest

import dlsim_ij as dlsim
from dlsim_ij.bundles import save_bundle
from dlsim_ij.cli.main import run
from dlsim_ij.inference import load_model, predict
from dlsim_ij.networks import create_network

OPTIONS = {"in_channels": 32, "width": 4, "scale": 5, "residual_channels": 25}
CARD = {
    "name": "tiny5",
    "architecture": {"name": "native", "options": OPTIONS},
    "in_channels": 32,
    "scale": 5,
    "side_multiple": 8,
    "frames": {"total": 5, "selection": list(range(5)), "order": "any"},
    "input": {"kind": "srrf-channels", "n_frames": 5, "magnification": 5},
    "normalisation": {"kind": "robust"},
}


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(11)
    y, x = np.mgrid[:48, :48]
    line = np.exp(-((y - 10 - 0.5 * x) ** 2) / 4) + np.exp(-((y - 30) ** 2 + (x - 12) ** 2) / 4)
    return rng.poisson(400 * line * rng.uniform(0.5, 1.5, (12, 1, 1)) + 20).astype(np.uint16) + 100


@pytest.fixture
def stack(tmp_path, series):
    return dlsim.write_image(tmp_path / "cell.tif", series[:5], pixel_size_um=0.1)


@pytest.fixture
def model(tmp_path):
    save_bundle(tmp_path / "tiny5", create_network("native", **OPTIONS), CARD)
    return tmp_path / "tiny5"


def rows(words, capfd, code=0):
    assert run(["predict", *map(str, words), "--json"]) == code
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_five_frames_become_one_image_of_a_fifth_of_the_pixel(tmp_path, stack, series, model, capfd):
    (row,) = rows([stack, "-o", tmp_path / "out", "--model", str(model)], capfd)
    image = dlsim.read_image(row["output"])
    assert row["output"] == str(tmp_path / "out" / "cell_sr.tif")
    assert row["warnings"] == []
    assert image.shape == (240, 240)
    assert image.dtype == np.float32
    assert image.attrs["pixel_size_um"] == pytest.approx(0.02, rel=1e-4)
    np.testing.assert_array_equal(image.values, predict(load_model(model), series[:5]).image)


def test_a_series_becomes_a_series_and_the_rest_is_warned_of(tmp_path, series, model, capfd):
    path = dlsim.write_image(tmp_path / "movie.tif", series[:12, :32, :40], pixel_size_um=0.1)
    assert run(["predict", str(path), "-o", str(tmp_path / "out"), "--model", str(model)]) == 0
    text = capfd.readouterr()
    assert "warning: movie.tif: the last 2 of 12 frames" in text.err
    image = dlsim.read_image(tmp_path / "out" / "movie_sr.tif")
    assert image.sizes == {"T": 2, "Y": 160, "X": 200}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layout", "3x3"], "--layout belongs to SIM models"),
        (["--force"], "--force belongs to SIM models"),
        (["--batchnorm", "running"], "has no BatchNorm"),
    ],
)
def test_options_of_sim_are_refused(tmp_path, stack, model, capfd, words, said):
    assert run(["predict", str(stack), "-o", str(tmp_path / "out"), "--model", str(model), *words]) == 2
    assert said in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_too_few_frames_are_one_clear_line(tmp_path, series, model, capfd):
    path = dlsim.write_image(tmp_path / "short.tif", series[:3], pixel_size_um=0.1)
    assert run(["predict", str(path), "-o", str(tmp_path / "out"), "--model", str(model), "-q"]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "error: short has 3 frames, the model 'tiny5' takes 5"
    assert lines[1].startswith("hint: ")
    assert len(lines) == 2
