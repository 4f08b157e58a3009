"""What is measured part by part is what is measured in the whole."""

from __future__ import annotations

import numpy as np
import pytest

import dlsim_ij as dlsim
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.datasets.inputs import normalised_frames
from dlsim_ij.datasets.normalise import robust_scaling
from dlsim_ij.errors import ImageError, LayoutError
from dlsim_ij.images.regions import RegionSource
from dlsim_ij.large_fields import survey
from dlsim_ij.large_fields.stacks import StackSource


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :260]
    light = 80 * np.exp(-((y - 60) ** 2 + (x - 200) ** 2) / 800) + 5
    counts = rng.poisson(light * (1 + 0.02 * np.arange(15))[:, None, None]) * 2 + 100
    return counts.astype(np.uint16)


def look(tmp_path, frames, used=None):
    dlsim.write_image(tmp_path / "a.tif", frames, overwrite=True)
    with RegionSource(tmp_path / "a.tif") as source:
        stacks = StackSource(source, "3x5")
        return survey.survey_field(stacks, 0, used or list(range(15)))


@pytest.mark.parametrize("used", [None, [0, 5, 10]])
def test_levels_of_parts_are_those_of_the_whole(tmp_path, frames, monkeypatch, used):
    frames[:, 30, 40] = 3000  # a hot pixel
    monkeypatch.setattr(survey, "_PART_PX", 64)
    monkeypatch.setattr(survey, "CELL_PX", 64)
    found = look(tmp_path, frames, used)
    chosen = frames if used is None else frames[used]
    scaling = robust_scaling(chosen)
    assert found.levels.scaling.offset == pytest.approx(scaling.offset, rel=1e-9)
    assert found.levels.scaling.scale == pytest.approx(scaling.scale, rel=1e-9)
    assert found.levels.offset == estimate_offset(chosen)
    whole = normalised_frames(chosen, scaling)
    part = normalised_frames(chosen[:, 10:50, 20:90], scaling, found.levels)
    np.testing.assert_allclose(part, whole[:, 10:50, 20:90], atol=2e-6 * np.abs(whole).max())
    np.testing.assert_allclose(found.means, frames.mean(axis=(1, 2)), rtol=1e-12)
    brightest = np.unravel_index(found.detail.argmax(), found.detail.shape)
    assert brightest == (0, 3)  # around row 60, column 200, in cells of 64
    assert len(equalise_frames(chosen, 0)) == len(found.levels.gains)


def test_percentiles_of_a_sample_are_near_those_of_all(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(survey, "_MOST_SAMPLES", 5000)
    found, whole = look(tmp_path, frames), robust_scaling(frames)
    assert found.levels.scaling.scale == pytest.approx(whole.scale, rel=0.02)


def test_saturation_is_counted_everywhere(tmp_path, frames, monkeypatch):
    monkeypatch.setattr(survey, "_PART_PX", 64)
    assert look(tmp_path, frames).saturated == 0
    frames[:, 150:160, 250:] = 4095
    assert look(tmp_path, frames).saturated == pytest.approx(100 / (200 * 260))


def test_what_cannot_be_used_is_refused(tmp_path, frames):
    twice = frames.copy()
    twice[7] = twice[3]
    with pytest.raises(LayoutError, match="frames 4 and 8 are identical"):
        look(tmp_path, twice)
    flat = frames.copy()
    flat[4] = 100
    with pytest.raises(LayoutError, match="frame 5 of 15 is constant"):
        look(tmp_path, flat)
    holes = frames.astype(np.float32)
    holes[2, 100, 100] = np.nan
    with pytest.raises(ImageError, match="1 NaN"):
        look(tmp_path, holes)
