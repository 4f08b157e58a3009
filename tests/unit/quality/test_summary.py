"""Means with intervals that cover what they say, and differences image by image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dlsim_ij.errors import ConfigError, DataError
from dlsim_ij.quality.summary import mean_interval, paired_difference


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
def test_interval_is_that_of_scipy(confidence):
    values = [3.0, 4.5, 2.0, 9.0, 4.0]
    found = mean_interval(values, confidence=confidence)
    expected = stats.t.interval(confidence, 4, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)
    assert (found.n, found.mean, found.sd) == (5, 4.5, pytest.approx(np.std(values, ddof=1)))


def test_ninety_five_of_a_hundred_intervals_hold_the_truth():
    rng = np.random.default_rng(0)
    hits = [found.low < 7 < found.high for found in (mean_interval(rng.normal(7, 2, 4)) for _ in range(2000))]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)


def test_one_image_has_no_interval():
    assert mean_interval([2.5]).to_dict() == {"n": 1, "mean": 2.5, "sd": None, "low": None, "high": None}


def test_pairing_takes_out_what_images_differ_by():
    rng = np.random.default_rng(1)
    level = rng.normal(25, 5, 8)
    better, worse = level + 0.5 + rng.normal(0, 0.1, 8), level
    found = paired_difference(better, worse)
    assert found.low < 0.5 < found.high
    assert found.low > 0
    assert found.n_higher == 8
    overlap = mean_interval(better).low < mean_interval(worse).high
    assert overlap  # unpaired, nothing could be said
    assert paired_difference(worse, better).mean == -found.mean


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(DataError):
        mean_interval(values)


def test_unequal_numbers_and_wrong_confidence_are_refused():
    with pytest.raises(DataError, match="3 and 2"):
        paired_difference([1, 2, 3], [1, 2])
    with pytest.raises(ConfigError):
        mean_interval([1, 2], confidence=95)
