"""A plane through phases, where they agree, where they do not, and where there are none."""

from __future__ import annotations

import numpy as np
import pytest

from dlsim_ij.large_fields.pattern import FieldPattern, MeasuredPhases, one_pattern, phases_of_blocks
from dlsim_ij.optics import Pattern
from dlsim_ij.optics.pattern import equal_steps

SIDE = 16384
START = Pattern(
    frequency_px=(0.03, 0.12),
    phases_rad=(0.4, 1.1),
    steps_rad=equal_steps(5),
    modulation=(0.5, 0.3),
    snr=(50, 20),
)


def measured(turns, places, snr=30.0):
    turns = np.angle(np.exp(1j * np.asarray(turns)))
    return MeasuredPhases(
        turns_rad=turns[:, None], snr=np.full((len(turns), 1), snr), places=np.asarray(places, float)
    )


def true_turns(places, missing, height):
    return height + 2 * np.pi * places @ np.array(missing)


@pytest.mark.parametrize("missing", [(3e-5, -2e-5), (-9e-5, 9e-5), (0.0, 0.0)])
def test_the_missing_part_of_a_frequency_is_found(missing):
    rng = np.random.default_rng(0)
    places = rng.uniform(0, SIDE, (49, 2))
    turns = true_turns(places, missing, 0.7) + 0.05 * rng.standard_normal(49)
    found = one_pattern([START], measured(turns, places))
    (pattern,) = found.patterns
    # a tenth of a radian from one end of the field to the other is 1e-6 cycles per pixel
    np.testing.assert_allclose(pattern.frequency_px, np.add(START.frequency_px, missing), atol=1e-6)
    corner = found.at((SIDE, SIDE))[0].phases_rad[0]
    expected = 0.4 + 0.7 + 2 * np.pi * SIDE * sum(np.add(START.frequency_px, missing))
    assert abs(np.angle(np.exp(1j * (corner - expected)))) < 0.1
    # order 2 goes along
    assert np.angle(
        np.exp(1j * (pattern.phases_rad[1] - 2 * pattern.phases_rad[0] - (1.1 - 0.8)))
    ) == pytest.approx(0, abs=1e-9)
    assert found.is_one
    assert found.windows == 49


def test_some_windows_may_be_wrong():
    rng = np.random.default_rng(1)
    places = rng.uniform(0, SIDE, (49, 2))
    turns = true_turns(places, (4e-5, 1e-5), -1.0)
    turns[:4] += 0.5
    (pattern,) = one_pattern([START], measured(turns, places)).patterns
    np.testing.assert_allclose(pattern.frequency_px, (0.03004, 0.12001), atol=1e-6)


def test_a_mosaic_has_no_one_pattern():
    rng = np.random.default_rng(2)
    places = rng.uniform(0, SIDE, (49, 2))
    found = one_pattern([START], measured(rng.uniform(-np.pi, np.pi, 49), places))
    assert not found.is_one


def test_dark_windows_do_not_count():
    places = np.array([[256.0, 256.0], [9000.0, 9000.0]])
    found = one_pattern([START], measured([0.1, 2.0], places, snr=3.0))
    assert found.patterns == (START,)
    assert found.windows == 0
    assert found.is_one


def test_two_windows_side_by_side_do_not_turn_the_pattern():
    places = np.array([[256.0, 256.0], [256.0, 768.0]])
    (pattern,) = one_pattern([START], measured([0.05, -0.05], places)).patterns
    assert np.abs(np.subtract(pattern.frequency_px, START.frequency_px)).max() < 4e-5


def test_dark_blocks_take_the_phases_of_their_neighbours():
    turns = np.array([[0.1], [0.2], [0.3], [0.4], [0.5], [0.6]])
    snr = np.array([[30.0], [2.0], [2.0], [30.0], [30.0], [2.0]])
    places = np.zeros((6, 2))
    found = phases_of_blocks(MeasuredPhases(turns_rad=turns, snr=snr, places=places), 2, 3)[..., 0]
    assert found[0, 0] == 0.1
    assert found[0, 1] in (0.1, 0.5)
    assert found[1, 2] == 0.5
    dark = MeasuredPhases(turns_rad=turns, snr=snr * 0, places=places)
    assert not phases_of_blocks(dark, 2, 3).any()


def test_a_pattern_at_a_corner_continues():
    whole = FieldPattern(patterns=(START,), left_over_rad=0.0, windows=1)
    (there,) = whole.at((100, 40))
    y, x = START.frequency_px
    expected = 0.4 + 2 * np.pi * (100 * y + 40 * x)
    assert np.exp(1j * there.phases_rad[0]) == pytest.approx(np.exp(1j * expected))
    assert np.exp(1j * there.phases_rad[1]) == pytest.approx(np.exp(1j * (1.1 + 2 * (expected - 0.4))))
    (turned,) = whole.at((100, 40), [0.5])
    assert np.exp(1j * turned.phases_rad[0]) == pytest.approx(np.exp(1j * (expected + 0.5)))
