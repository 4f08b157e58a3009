"""Layout and order from pixels alone."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlsim_ij.acquisition import arrange, detect_acquisition
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.order import (
    evidence,
    frame_scatter,
    order_permutation,
    phase_basis,
    possible_readings,
    rank_readings,
)
from dlsim_ij.acquisition.shuffled import canonical, improve, sort_frames
from dlsim_ij.errors import LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import Camera, draw_structure, random_conditions, simulate_sim

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
from order_table import in_order, judged, simulated

CUTOFF = Optics().cutoff_px


def make(n_angles, n_phases, *, seed=0, photons=200.0, structure="microtubules"):
    rng = np.random.default_rng([seed, n_angles, n_phases])
    density = draw_structure(structure, (256, 256), 0.03, rng)
    conditions = random_conditions(rng, photons=(photons, photons), n_angles=n_angles, n_phases=n_phases)
    return simulate_sim(density, conditions, rng)


def scatter_of(raw):
    return frame_scatter(equalise_frames(raw, estimate_offset(raw)), CUTOFF)


@pytest.mark.parametrize("layout", [(3, 5), (2, 3), (3, 4), (1, 5), (5, 3)])
def test_a_phase_basis_is_orthonormal_and_leaves_the_mean_out(layout):
    vectors = np.concatenate([vectors for _, vectors in phase_basis(*layout)])
    n = layout[0] * layout[1]
    assert vectors.shape == (n - 1, n)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(n - 1), atol=1e-12)
    np.testing.assert_allclose(vectors.sum(axis=1), 0, atol=1e-12)


def test_the_readings_of_fifteen_frames():
    assert {(r.n_angles, r.n_phases, r.order) for r in possible_readings(15)} == {
        (a, p, order) for a, p in ((3, 5), (5, 3)) for order in ("angle-major", "phase-major")
    }
    assert possible_readings(2) == possible_readings(11) == []
    assert {r.n_phases for r in possible_readings(12)} == {3, 4}
    assert {r.n_phases for r in possible_readings(12, n_phases=6)} == {6}
    assert possible_readings(14) == []
    with pytest.raises(LayoutError, match="no order is called 'random'"):
        order_permutation("random", 3, 5)


@pytest.mark.parametrize("layout", [(3, 5), (3, 3), (2, 5), (2, 3), (4, 5), (4, 3), (5, 5), (3, 4)])
@pytest.mark.parametrize("order", ["angle-major", "phase-major"])
def test_layout_and_order_are_found(layout, order):
    raw = make(*layout).raw
    stored = np.argsort(order_permutation(order, *layout))
    found = detect_acquisition(raw[stored], 0.06)
    assert (found.n_angles, found.n_phases, found.order) == (*layout, order)
    assert found.confidence > 0.9
    np.testing.assert_array_equal(arrange(raw[stored], found), raw)
    assert found.fit == (order == "angle-major")
    if order == "phase-major":
        assert "phase by phase" in found.warnings[0][0]


def test_a_single_angle():
    found = detect_acquisition(make(1, 5).raw, 0.06)
    assert (found.layout, found.order, found.fit) == ("1x5", "angle-major", True)


def test_a_stack_read_backwards_is_in_order():
    found = detect_acquisition(make(3, 5).raw[::-1], 0.06)
    assert (found.layout, found.order, found.fit) == ("3x5", "angle-major", True)


@pytest.mark.parametrize("layout", [(3, 5), (3, 3), (4, 5)])
def test_shuffled_frames_are_sorted(layout):
    raw = make(*layout).raw
    shuffle = np.random.default_rng(3).permutation(len(raw))
    found = detect_acquisition(raw[shuffle], 0.06)
    assert (found.layout, found.order) == ("{}x{}".format(*layout), "other")
    assert not found.fit
    assert in_order(shuffle[list(found.permutation)], *layout)
    again = detect_acquisition(arrange(raw[shuffle], found), 0.06)
    assert again.fit
    assert again.order == "angle-major"


def test_every_second_phase_first_is_told_by_the_period():
    """Order 1 and 2 change places: the frames' scatter is the same, the periods are not."""
    raw = make(3, 5).raw
    stored = np.concatenate([5 * a + np.array([0, 2, 4, 1, 3]) for a in range(3)])
    found = detect_acquisition(raw[stored], 0.06)
    assert found.order == "other"
    assert in_order(stored[list(found.permutation)], 3, 5)


def test_two_beams_and_five_phases():
    raw, truth = simulated(160, 300, 300)
    assert (truth["layout"], truth["order"], truth["beams"]) == ((3, 5), "angle-major", 2)
    found = detect_acquisition(raw, 0.06)
    assert (found.layout, found.beams, found.fit) == ("3x5", 2, True)
    assert all(len(p.steps_rad) == 5 and p.orders == 1 for p in found.patterns)


def test_a_layout_that_is_given_is_held_against_the_frames():
    raw = make(5, 3).raw
    assert detect_acquisition(raw, 0.06, n_angles=5, n_phases=3).fit
    found = detect_acquisition(raw, 0.06, n_angles=3, n_phases=5)
    assert not found.fit
    assert "not 3 angles x 5 phases" in found.warnings[0][0]
    assert found.layout == "5x3"
    assert detect_acquisition(raw, 0.06, n_phases=3).layout == "5x3"


def test_frames_without_pattern_are_not_believed():
    rng = np.random.default_rng(0)
    even = make(3, 5).electrons.mean(axis=0)
    found = detect_acquisition(Camera().expose(np.repeat(even[None], 15, axis=0), rng), 0.06)
    assert found.confidence < 0.5
    assert found.order == "unknown"
    assert found.verdict == "not fit"


@pytest.mark.parametrize(("frames", "message"), [(14, "14 frames are not"), (2, "2 frames are not")])
def test_numbers_of_frames_that_are_no_layout(frames, message):
    raw = make(4, 5).raw[:frames]
    with pytest.raises(LayoutError, match=message):
        detect_acquisition(raw, 0.06)
    with pytest.raises(LayoutError, match="3 angles x 5 phases"):
        detect_acquisition(raw, 0.06, n_angles=3, n_phases=5)


@settings(max_examples=8, deadline=None)
@given(gain=st.floats(0.2, 50), offset=st.floats(-500, 500))
def test_counts_may_have_any_gain_and_offset(gain, offset):
    raw = make(3, 3).raw.astype(np.float64)
    first, second = (
        rank_readings(scatter_of(one), possible_readings(9)) for one in (raw, gain * raw + offset)
    )
    assert [r.order for r in first] == [r.order for r in second]


@settings(max_examples=15, deadline=None)
@given(st.permutations(list(range(9))))
def test_the_evidence_moves_with_the_frames(permutation):
    """Sorting the frames and sorting the reading are the same."""
    matrix = scatter_of(make(3, 3).raw).total()
    reading = possible_readings(9)[0]
    moved = matrix[np.ix_(permutation, permutation)]
    back = type(reading)(
        n_angles=3, n_phases=3, order="other", permutation=tuple(int(i) for i in np.argsort(permutation))
    )
    assert evidence(moved[None], back)[0] == pytest.approx(evidence(matrix[None], reading)[0], rel=1e-9)


def test_swaps_alone_put_two_exchanged_frames_back():
    raw = make(3, 5).raw
    raw[[2, 9]] = raw[[9, 2]]
    found = canonical(improve(scatter_of(raw), possible_readings(15)[-2]))
    signal = equalise_frames(raw, estimate_offset(raw))
    numbers = np.arange(15)
    numbers[[2, 9]] = 9, 2
    assert in_order(numbers[list(found.permutation)], 3, 5)
    assert set(found.permutation[:5]) == {0, 1, 9, 3, 4}
    (blind,) = sort_frames(signal, scatter_of(raw), CUTOFF, [(3, 5)])
    assert in_order(numbers[list(blind.permutation)], 3, 5)


def test_the_order_table():
    """A small version of benchmarks/order_table.py: every layout and order, 30 to 1000 photons."""
    rows = [judged(number, 30, 1000) for number in range(3, 200, 13)]
    wrong = [row for row in rows if row["sure"] and not row["right"]]
    assert wrong == []
    assert (
        sum(row["right"] and row["sure"] for row in rows) >= 12
    )  # of 16; 13 measured, three fields are too dark to tell


@pytest.mark.sample
@pytest.mark.parametrize("light", ["HE", "LE"])
def test_the_public_sample_is_read_without_being_told(sample_dir, light):
    from dlsim_ij.acquisition import examine
    from dlsim_ij.images import read_image

    image = read_image(sample_dir / "microtuble" / f"{light}_X2" / "Sample_1")
    examined = examine(image, pixel_size_um=0.03)
    found = examined.acquisition
    assert examined.source.enlargement.offset_px == (-0.5, -0.5)
    assert examined.source.enlargement.misfit_rms < 0.3
    assert (found.layout, found.order, found.fit) == ("3x5", "angle-major", True)
    assert found.confidence > 0.95
    for pattern, angle in zip(found.patterns, (13.9, -45.2, 74.4), strict=True):
        assert abs(pattern.angle_deg - angle) < 1
        assert 491 * 0.99 < 60 * pattern.period_px < 497 * 1.01
    assert found.light.gain_adu_per_electron == pytest.approx(6.85, rel=0.15)
    assert found.light.offset_adu == pytest.approx(100, abs=3)
    assert found.light.photons == pytest.approx({"HE": 310, "LE": 2.0}[light], rel=0.25)
    if light == "HE":
        assert (found.beams, found.beams_confidence) == (3, pytest.approx(0.99))
    by_phase = np.arange(15).reshape(3, 5).T.ravel()
    phase_major = detect_acquisition(examined.source.native(0)[by_phase], 0.06)
    assert phase_major.order == "phase-major"


def test_frames_that_are_no_numbers_are_refused():
    raw = make(3, 3).raw.astype(np.float32)
    raw[4, 3, 3] = np.nan
    with pytest.raises(LayoutError, match="frame 5 of 9 has NaN"):
        detect_acquisition(raw, 0.06)


def test_frames_of_an_unknown_order_are_not_sorted():
    noise = np.random.default_rng(0).poisson(20, (15, 64, 64))
    found = detect_acquisition(noise, 0.06)
    assert found.order == "unknown"
    with pytest.raises(LayoutError, match="order of the frames was not found"):
        arrange(noise, replace(found, permutation=tuple(range(15))[::-1]))
