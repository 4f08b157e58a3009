import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.single_frames import fit_single_frames
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.conditions import Conditions, paper_patterns


def _turned(angle):
    return np.abs(np.angle(np.exp(1j * np.asarray(angle))))


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(4)
    density = draw_structure("microtubules", (512, 512), 0.03, rng)
    patterns = paper_patterns(phases_rad=(0.3, 2.0, -2.5))
    return simulate_sim(density, Conditions(patterns=patterns, intensity=(1.0,) * 15), rng)


@pytest.mark.parametrize("frame", [0, 3])
def test_the_phase_of_each_frame_is_found(stack, frame):
    raw = stack.raw[frame::5]
    calibration = paper_patterns(phases_rad=(0.0, 0.0, 0.0))  # of another exposure: other phases
    found = fit_single_frames(equalise_frames(raw, estimate_offset(raw)), Optics(), known=calibration)
    for pattern, true in zip(found, stack.conditions.patterns, strict=True):
        first = true.phases_rad[0] + true.steps_rad[frame]
        assert _turned(pattern.phases_rad[0] - first) < 0.3
        assert _turned(pattern.phases_rad[1] - 2 * pattern.phases_rad[0]) < 1e-6
        assert pattern.steps_rad == (0.0,)
        assert pattern.snr[0] > 5


def test_a_large_field_is_fitted_on_its_middle_but_told_from_its_corner():
    rng = np.random.default_rng(0)
    sample = gaussian_filter((rng.random((700, 540)) < 0.01).astype(float), 1.0)
    y, x = np.indices(sample.shape)
    patterns = paper_patterns(phases_rad=(0.5, -1.0, 2.2))
    frames = np.stack(
        [
            sample
            * (
                1
                + 0.8 * np.cos(2 * np.pi * (p.frequency_px[0] * y + p.frequency_px[1] * x) + p.phases_rad[0])
            )
            for p in patterns
        ]
    )
    found = fit_single_frames(frames, Optics(), known=paper_patterns())
    for pattern, true in zip(found, patterns, strict=True):
        assert _turned(pattern.phases_rad[0] - true.phases_rad[0]) < 0.15


def test_frames_and_calibration_must_fit(stack):
    frames = stack.raw[::5].astype(np.float32)
    with pytest.raises(LayoutError, match="calibration of 2 angles for 3 frames"):
        fit_single_frames(frames, Optics(), known=stack.conditions.patterns[:2])
    with pytest.raises(LayoutError, match="at least two"):
        fit_single_frames(frames[:1], Optics(), known=stack.conditions.patterns[:1])
