"""``dlsim predict --model srrf5`` with the shipped weights."""

import json

import numpy as np
import pytest

import dlsim_ij as dlsim
from dlsim_ij.cli.main import run
from dlsim_ij.inference import load_model, predict
from dlsim_ij.optics import Optics
from dlsim_ij.quality import fair_scores
from dlsim_ij.reconstruction import srrf
from dlsim_ij.simulation import BlinkingConditions, draw_structure, simulate_blinking


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(11)
    density = draw_structure("microtubules", (240, 240), 0.02, rng)
    conditions = BlinkingConditions(optics=Optics(pixel_size_um=0.1), n_emitters=6000, photons_per_emitter=80)
    return simulate_blinking(density, conditions, rng, points_per_pixel=5).raw


@pytest.fixture
def stack(tmp_path, series):
    return dlsim.write_image(tmp_path / "cell.tif", series[:5], pixel_size_um=0.1)


def rows(words, capfd, code=0):
    assert run(["predict", *map(str, words), "--json"]) == code
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_five_frames_become_one_image_of_a_fifth_of_the_pixel(tmp_path, stack, series, capfd):
    (row,) = rows([stack, "-o", tmp_path / "out", "--model", "srrf5"], capfd)
    image = dlsim.read_image(row["output"])
    assert row["output"] == str(tmp_path / "out" / "cell_sr.tif")
    assert row["warnings"] == []
    assert image.shape == (240, 240)
    assert image.dtype == np.float32
    assert image.attrs["pixel_size_um"] == pytest.approx(0.02, rel=1e-4)
    np.testing.assert_array_equal(image.values, predict(load_model("srrf5"), series[:5]).image)


def test_it_is_nearer_to_srrf_of_all_frames_than_srrf_of_the_same_five(stack, series):
    background = np.percentile(series.mean(axis=0), 2)
    truth, five = (srrf(part - background, extend_edges=True) for part in (series, series[:5]))
    image = predict(load_model("srrf5"), series[:5]).image
    inner = np.s_[20:-20, 20:-20]
    gain_db = fair_scores(truth[inner], image[inner]).psnr_db - fair_scores(truth[inner], five[inner]).psnr_db
    assert gain_db > 3
    assert 0.5 < image[inner].sum() / truth[inner].sum() < 2  # the unit is that of SRRF itself


def test_a_series_becomes_a_series_and_the_rest_is_warned_of(tmp_path, series, capfd):
    path = dlsim.write_image(tmp_path / "movie.tif", series[:12, :32, :40], pixel_size_um=0.1)
    assert run(["predict", str(path), "-o", str(tmp_path / "out"), "--model", "srrf5"]) == 0
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
def test_options_of_sim_are_refused(tmp_path, stack, capfd, words, said):
    assert run(["predict", str(stack), "-o", str(tmp_path / "out"), "--model", "srrf5", *words]) == 2
    assert said in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_too_few_frames_are_one_clear_line(tmp_path, series, capfd):
    path = dlsim.write_image(tmp_path / "short.tif", series[:3], pixel_size_um=0.1)
    assert run(["predict", str(path), "-o", str(tmp_path / "out"), "--model", "srrf5", "-q"]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "error: short has 3 frames, the model 'srrf5' takes 5"
    assert lines[1].startswith("hint: ")
    assert len(lines) == 2


def test_the_list_of_models_has_it(capfd):
    assert run(["models"]) == 0
    text = capfd.readouterr().out
    assert "srrf5" in text
    assert "5 of 5 frames, x5" in text
