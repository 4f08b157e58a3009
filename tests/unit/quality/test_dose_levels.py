"""Reading a curve of quality against light."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.quality.dose_levels import DoseRow, noise_shared_db, summarise_rows
from dlsim_ij.quality.light_needed import light_needed

LEVELS = (1.0, 0.5, 0.2, 0.1, 0.02)


@given(
    scores=st.lists(st.floats(10, 40), min_size=5, max_size=5),
    target=st.floats(5, 45),
    shift=st.floats(-100, 100),
    order=st.permutations(range(5)),
)
def test_only_differences_and_not_the_order_of_levels_count(scores, target, shift, order):
    found = light_needed(LEVELS, scores, target)
    moved = light_needed([LEVELS[i] for i in order], [scores[i] + shift for i in order], target + shift)
    if min(abs(score - target) for score in scores) > 1e-9:
        assert moved.status == found.status
        assert (moved.fraction or 0) == pytest.approx(found.fraction or 0, rel=1e-4)


@given(scores=st.lists(st.floats(10, 40), min_size=5, max_size=5), target=st.floats(5, 45))
def test_a_higher_target_never_needs_less_light(scores, target):
    low, high = (light_needed(LEVELS, scores, value) for value in (target, target + 1))
    if high.fraction is not None:
        assert low.fraction is not None
        assert low.fraction <= high.fraction * (1 + 1e-9)


def test_a_later_rise_does_not_count():
    assert light_needed([1, 0.1, 0.01, 0.001], [30, 20, 30, 30], 25).fraction == pytest.approx(10**-0.5)
    assert light_needed([1, 0.1], [20, 30], 25).status == "nowhere"


@pytest.mark.parametrize(
    ("fractions", "scores", "target", "error"),
    [
        ([], [], 20, DataError),
        ([1.0], [20.0, 21.0], 20, DataError),
        ([0.0, 1.0], [20.0, 21.0], 20, DataError),
        ([1.0], [float("nan")], 20, DataError),
        ([1.0], [20.0], float("inf"), ConfigError),
    ],
)
def test_no_curve_no_answer(fractions, scores, target, error):
    with pytest.raises(error):
        light_needed(fractions, scores, target)


def rows(method, scores):
    """Two draws, 0.2 dB apart, at half, a tenth and a hundredth; one stack at full light."""
    return [
        DoseRow(
            fraction=fraction, photons_per_pixel=100 * fraction, photons_mean_per_pixel=30 * fraction,
            photons_all_frames_per_pixel=1500 * fraction, method=method, frames_used=15, draw=draw,
            psnr_db=None if score is None else score + offset,
        )
        for fraction, score in zip((1.0, 0.5, 0.1, 0.01), scores, strict=True)
        for draw, offset in enumerate((0.0,) if fraction == 1 else (-0.1, 0.1))
    ]  # fmt: skip


def test_the_summary_asks_of_all_what_all_have_at_full_light():
    found = summarise_rows([*rows("wiener", (None, 34, 28, 20)), *rows("net", (31, 30.5, 29, 26))])
    assert found.target_db == 30  # 31 less 1 dB
    by_name = {needed.method: needed for needed in found.needed}
    assert by_name["wiener"].keeps is None
    assert by_name["wiener"].reaches.fraction == pytest.approx(0.1 * 5 ** (2 / 6))
    assert by_name["net"].reaches == by_name["net"].keeps
    level = next(line for line in found.levels if (line["fraction"], line["method"]) == (0.1, "net"))
    assert level["psnr_db_mean"] == pytest.approx(29)
    assert level["psnr_db_sd"] == pytest.approx(0.2 / 2**0.5)
    assert level["draws"] == 2
    assert level["shared_noise_db"] == pytest.approx(0.458, abs=0.001)
    assert found.curve("wiener")[0][0] == 0.5  # the reference has no score against itself
    asked = summarise_rows(rows("net", (31, 30.5, 29, 26)), quality_db=27.5)
    assert asked.needed[0].reaches.fraction == pytest.approx(0.1**1.5)


def test_without_a_score_there_is_no_summary():
    with pytest.raises(DataError):
        summarise_rows(rows("wiener", (None, 1, 1, 1))[:1])


def test_shared_noise_matters_near_the_full_light_only():
    assert noise_shared_db(0.5) == pytest.approx(3.01, abs=0.01)
    assert noise_shared_db(0.001) < 0.005
