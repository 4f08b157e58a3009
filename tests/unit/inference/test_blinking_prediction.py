"""Prediction of blinking samples: a network of the kind ``srrf-channels`` on frames and on series."""

import numpy as np
import pytest
import torch
import xarray as xr

import dlsim_ij as dlsim
from dlsim_ij.blinking_series import predict_series
from dlsim_ij.bundles import save_bundle
from dlsim_ij.datasets.blinking_inputs import N_CHANNELS, normalised_signal, radiality_image
from dlsim_ij.errors import ImageError, LayoutError, ModelError
from dlsim_ij.inference import load_model, predict
from dlsim_ij.networks import create_network

OPTIONS = {"in_channels": N_CHANNELS, "width": 4, "scale": 5, "residual_channels": 25}
CARD = {
    "name": "tiny5",
    "architecture": {"name": "native", "options": OPTIONS},
    "in_channels": N_CHANNELS,
    "scale": 5,
    "side_multiple": 8,
    "frames": {"total": 5, "selection": list(range(5)), "order": "any"},
    "input": {"kind": "srrf-channels", "n_frames": 5, "magnification": 5},
    "normalisation": {"kind": "robust"},
}


def series(n_frames, height=40, width=36):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    spots = np.exp(-((y - 15) ** 2 + (x - 20) ** 2) / 4) + np.exp(-((y - 28) ** 2 + (x - 9) ** 2) / 4)
    lit = rng.uniform(0.5, 1.5, (n_frames, 1, 1))
    return rng.poisson(400 * spots * lit + 20).astype(np.uint16) + 100


def as_stack(frames, **attributes):
    return xr.DataArray(frames, dims=("T", "Y", "X"), attrs={"name": "cell", **attributes})


@pytest.fixture
def tiny(tmp_path):
    torch.manual_seed(1)
    network = create_network("native", **OPTIONS)
    save_bundle(tmp_path / "fresh", network, CARD)
    return load_model(tmp_path / "fresh")


@pytest.fixture
def stirred(tmp_path):
    torch.manual_seed(1)
    network = create_network("native", **OPTIONS)
    torch.nn.init.normal_(network.head.weight, std=0.05)
    save_bundle(tmp_path / "stirred", network, CARD)
    return load_model(tmp_path / "stirred")


def test_a_network_that_has_learned_nothing_returns_the_srrf_image_in_counts(tiny):
    frames = series(5)
    prediction = predict(tiny, frames)
    signal, scaling = normalised_signal(frames)
    assert prediction.image.shape == (200, 180)
    assert prediction.patterns == ()
    expected = radiality_image(signal) * scaling.scale
    np.testing.assert_allclose(prediction.image, expected, atol=1e-3 * expected.max())


def test_the_image_scales_with_the_gain_and_ignores_offset_and_order(stirred):
    frames = series(5).astype(np.float64)
    image = predict(stirred, frames).image
    other = predict(stirred, 3 * frames[[3, 0, 4, 1, 2]] + 500).image
    np.testing.assert_allclose(other, 3 * image, atol=2e-2 * 3 * image.max())


def test_tiles_give_the_image_of_the_whole(stirred):
    frames = series(5, 144, 136)
    whole, tiled = predict(stirred, frames).image, predict(stirred, frames, tile_px=136).image
    np.testing.assert_allclose(tiled, whole, atol=1e-4 * whole.max())


def test_five_frames_make_one_image(stirred):
    done = predict_series(as_stack(series(5), pixel_size_um=0.1), model=stirred)
    assert done.image.dims == ("Y", "X")
    assert done.image.attrs["pixel_size_um"] == pytest.approx(0.02)
    assert done.warnings == ()
    np.testing.assert_array_equal(done.image.values, predict(stirred, series(5)).image)


def test_more_make_a_time_series_and_the_rest_is_named(stirred):
    frames = series(13)
    calls = []
    done = predict_series(
        as_stack(frames, frame_interval_s=0.1), model=stirred, pixel_size_um=0.1,
        progress=lambda *count: calls.append(count),
    )  # fmt: skip
    assert done.image.dims == ("T", "Y", "X")
    assert done.image.attrs["frame_interval_s"] == pytest.approx(0.5)
    assert calls == [(1, 2), (2, 2)]
    assert done.warnings == ("the last 3 of 13 frames, too few for another image, were left out",)
    for number in range(2):
        alone = predict(stirred, frames[5 * number : 5 * number + 5]).image
        np.testing.assert_array_equal(done.image.values[number], alone)


def test_without_a_pixel_size_the_image_has_none_and_that_is_said(stirred):
    done = predict_series(as_stack(series(5)), model=stirred)
    assert done.image.attrs["pixel_size_um"] is None
    assert "pixel size" in done.warnings[0]


def test_too_few_frames_colour_channels_and_nan_are_refused(stirred):
    with pytest.raises(LayoutError, match="cell has 4 frames, the model 'tiny5' takes 5"):
        predict_series(as_stack(series(4)), model=stirred)
    with pytest.raises(LayoutError, match="the model 'tiny5' takes 5 frames, the stack is 6 x 40 x 36"):
        predict(stirred, series(6))
    two_axes = xr.DataArray(np.ones((5, 2, 40, 36)), dims=("T", "C", "Y", "X"))
    with pytest.raises(ImageError, match="one stack of frames is needed"):
        predict_series(two_axes, model=stirred)
    broken = series(5).astype(np.float32)
    broken[2, 3, 4] = np.nan
    with pytest.raises(ImageError):
        predict_series(as_stack(broken), model=stirred)


def test_sim_and_blinking_do_not_take_each_others_models(stirred):
    with pytest.raises(ModelError, match="takes frames of a blinking sample, not a SIM stack"):
        dlsim.reconstruct(series(15), model=stirred)
    with pytest.raises(ModelError, match="none for blinking samples"):
        predict_series(as_stack(series(5)), model="sim15")
