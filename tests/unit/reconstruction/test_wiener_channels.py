"""What the shipped networks see is what they were trained on."""

from pathlib import Path

import numpy as np

from dlsim_ij.optics import Optics
from dlsim_ij.reconstruction import SOFT, VENDOR, WienerFilter, wiener_channels
from dlsim_ij.simulation.sim_frames import paper_patterns

REFERENCE = Path(__file__).parents[2] / "reference" / "wiener" / "channels.npz"


def test_the_channels_are_those_of_the_code_that_trained_the_networks():
    rng = np.random.default_rng(20)
    frames = (100 * rng.random((15, 28, 32))).astype(np.float32)
    frames += 50 * np.sin(np.arange(32) / 3)[None, None, :]
    channels = wiener_channels(frames, paper_patterns(phases_rad=(0.3, 2.2, 4.0)), Optics())
    before = np.load(REFERENCE)["channels"]
    np.testing.assert_allclose(channels, before, rtol=1e-5, atol=1e-5 * np.abs(before).max())


def test_their_filters_are_frozen():
    assert VENDOR.to_dict() == {
        "wiener": 0.08, "otf_damping": 0.05, "order_weights": [0.67, 0.33], "notch_strength": 1.0,
        "notch_width": 0.24, "apodisation_end": 1.40, "apodisation_bend": 1.0,
    }  # fmt: skip
    assert WienerFilter(wiener=0.5) == SOFT
