"""The cascade SNR -> SIM: what stands between the two networks, and which two fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.datasets.selection import frame_selection, select_frames
from dlsim_ij.errors import LayoutError, ModelError
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference import Model, cascade, predict
from dlsim_ij.inference.predictor import run_network
from dlsim_ij.networks import create_network

LOW, NORMAL, OTHER_NORMAL, TRUTH = 196.0, 5315.0, 5000.0, 15383.0


def make_model(name, selection, network=None, normalisation=None, **changes):
    """Return a small network of the seed's kind, as `load_model` would."""
    chosen = frame_selection(selection)
    if network is None:
        torch.manual_seed(len(name))
        architecture = {"sim4-mean": "unet-sim4", "sim4-max": "unet-sim4"}.get(selection, f"unet-{selection}")
        network = create_network("unet-snr" if name == "snr" else architecture, width=4).eval()
        with torch.no_grad():  # random weights alone may give nothing but negative intensities, clipped later
            list(network.parameters())[-1].fill_(0.5)
    light = "low" if name == "snr" else "normal"
    card = ModelCard(
        name=name,
        architecture={"name": "unet-sim15"},
        in_channels=chosen.channels,
        scale=1,
        side_multiple=16,
        batchnorm="running",
        frames={"total": chosen.acquisition, "selection": chosen.frames, "summary": chosen.summary},
        input={"kind": "raw-frames", "selection": selection, "light": light, "enlargement": 2},
        normalisation=normalisation or {"kind": "seed", "input": NORMAL, "output": TRUTH},
        weights_sha256="0" * 64,
    )
    card = card.model_copy(update=changes)
    return Model(name=name, card=card, network=network, device=torch.device("cpu"))


def snr(**changes):
    return make_model(
        "snr", "sim15", normalisation={"kind": "seed", "input": LOW, "output": NORMAL}, **changes
    )


class Same(nn.Module):
    """A noise remover that removes nothing."""

    out_channels, receptive_radius_px = 15, 0

    def forward(self, frames):
        return frames


@pytest.fixture(scope="module")
def dark():
    return np.random.default_rng(0).integers(90, 190, (15, 24, 40)).astype(np.uint16)


@pytest.mark.parametrize("selection", ["sim15", "sim3", "sim4-mean", "sim4-max"])
def test_between_the_networks_stand_the_constants_of_the_frames(dark, selection):
    second = make_model("sim", selection)
    second = dataclasses.replace(
        second, card=second.card.model_copy(
            update={"normalisation": {"kind": "seed", "input": OTHER_NORMAL, "output": TRUTH}}
        )
    )  # fmt: skip
    first = snr()
    made = cascade(first, second, dark)
    enlarged = np.stack([bicubic_enlarge(frame, 2) for frame in dark.astype(np.float32)])
    bright = run_network(first, enlarged / np.float32(LOW)) * np.float32(NORMAL)  # counts of normal light
    channels = select_frames(bright, selection) / np.float32(OTHER_NORMAL)
    expected = np.maximum(run_network(second, channels)[0] * TRUTH, 0)
    assert expected.any()
    assert made.image.shape == (48, 80)
    np.testing.assert_allclose(made.image, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_a_perfect_noise_remover_gives_the_image_of_the_bright_frames(dark):
    second = make_model("sim", "sim15")
    perfect = snr(network=Same())
    bright = dark.astype(np.float32) * np.float32(NORMAL / LOW)
    expected = predict(second, bright).image
    assert expected.any()
    np.testing.assert_allclose(cascade(perfect, second, dark).image, expected, rtol=1e-3, atol=0.1)


def test_with_robust_normalisation_the_frames_go_on_as_they_are(dark):
    robust = {"kind": "robust", "input": None, "output": None, "truth_gain": 2.5}
    first, second = snr(network=Same()), make_model("sim", "sim15", normalisation=robust)
    card = first.card.model_copy(update={"normalisation": {**robust, "truth_gain": 1.0}})
    first = dataclasses.replace(first, card=card)
    np.testing.assert_allclose(
        cascade(first, second, dark).image, predict(second, dark).image, rtol=1e-3, atol=1e-2
    )


def test_tiles_change_nothing():
    dark = np.random.default_rng(1).integers(90, 190, (15, 136, 40)).astype(np.uint16)
    first, second = snr(), make_model("sim", "sim15")
    whole = cascade(first, second, dark).image
    done = []
    tiled = cascade(first, second, dark, tile_px=256, progress=lambda n, of: done.append((n, of))).image
    assert len(done) > 2
    np.testing.assert_allclose(tiled, whole, atol=1e-3 * np.ptp(whole))


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (lambda: make_model("a", "sim15"), lambda: make_model("sim", "sim15"), "'a' makes no frames"),
        (snr, snr, "makes frames, not an image"),
        (
            snr,
            lambda: make_model("sim", "sim15", input={"kind": "wiener-channels"}),
            "takes no frames that another network made",
        ),
        (
            snr,
            lambda: make_model(
                "sim", "sim15",
                input={"kind": "raw-frames", "selection": "sim15", "light": "low", "enlargement": 2},
            ),
            "trained on low light",
        ),
        (
            snr,
            lambda: make_model("sim", "sim15", normalisation={"kind": "robust", "truth_gain": 1.0}),
            "'seed', the other 'robust'",
        ),
        (
            snr,
            lambda: make_model(
                "sim", "sim15", input={"kind": "raw-frames", "selection": "sim15", "enlargement": 1}
            ),
            "enlarged 2 times, the other 1 times",
        ),
        (snr, lambda: make_model("sim", "srrf5"), "makes 15 frames, the other takes those of 'srrf5'"),
    ],
)  # fmt: skip
def test_two_that_do_not_fit_are_one_clear_error(dark, first, second, words):
    with pytest.raises(ModelError, match="do not make a cascade") as caught:
        cascade(first(), second(), dark)
    assert words in caught.value.message


def test_another_number_of_frames_is_refused(dark):
    with pytest.raises(LayoutError, match="takes 15 frames"):
        cascade(snr(), make_model("sim", "sim15"), dark[:9])
