"""The shipped model `srrf5`: it is listed, and does what it is for."""

import numpy as np
import pytest

from dlsim_ij.cli.main import run
from dlsim_ij.inference import load_model, predict
from dlsim_ij.optics import Optics
from dlsim_ij.quality import fair_scores
from dlsim_ij.reconstruction import srrf
from dlsim_ij.simulation import BlinkingConditions, draw_structure, simulate_blinking


@pytest.mark.parametrize("n_emitters", [6000, 20000])
def test_it_is_nearer_to_srrf_of_all_frames_than_srrf_of_the_same_five(n_emitters):
    """In a dense sample too, of which five frames show nearly everything."""
    rng = np.random.default_rng(11)
    density = draw_structure("microtubules", (240, 240), 0.02, rng)
    conditions = BlinkingConditions(
        optics=Optics(pixel_size_um=0.1), n_emitters=n_emitters, photons_per_emitter=80
    )
    series = simulate_blinking(density, conditions, rng, points_per_pixel=5).raw
    background = np.percentile(series.mean(axis=0), 2)
    truth, five = (srrf(part - background, extend_edges=True) for part in (series, series[:5]))
    image = predict(load_model("srrf5"), series[:5]).image
    inner = np.s_[20:-20, 20:-20]
    gain_db = fair_scores(truth[inner], image[inner]).psnr_db - fair_scores(truth[inner], five[inner]).psnr_db
    assert gain_db > 0.3
    assert 0.5 < image[inner].sum() / truth[inner].sum() < 2  # the unit is that of SRRF itself


def test_the_list_of_models_has_it(capfd):
    assert run(["models"]) == 0
    text = capfd.readouterr().out
    assert "srrf5" in text
    assert "5 of 5 frames, x5" in text
