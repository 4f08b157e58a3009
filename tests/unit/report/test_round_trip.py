"""What a page says about the round trip."""

from __future__ import annotations

import pytest

from dlsim_ij.report.quality_section import quality_facts, round_trip_sentence
from dlsim_ij.report.verdict import judge

PASSED = {
    "residual": 4.31, "residual_limit": 5.3, "residual_consistent": True, "residual_invented": 4.31,
    "residual_missing": 4.0, "residual_misses_detail": False,
}  # fmt: skip
INVENTED = PASSED | {"residual": 9.62, "residual_invented": 9.62, "residual_consistent": False}
MISSING = PASSED | {"residual": 9.62, "residual_missing": 9.62, "residual_consistent": False}


def test_a_result_that_passed():
    said = round_trip_sentence(PASSED)
    assert said.startswith("The raw frames are what this result would have given")
    assert "4.3 times the expected noise" in said
    assert "finer detail" not in said
    assert round_trip_sentence(PASSED | {"residual_misses_detail": True}).endswith(
        "But they hold finer detail than the result shows."
    )


@pytest.mark.parametrize(
    ("numbers", "what", "verdict"),
    [
        (INVENTED, "it shows light that they do not have", "shows light that is not in them"),
        (MISSING, "they hold light that it does not show", "shows less light than they do"),
    ],
)
def test_a_result_that_the_frames_contradict(numbers, what, verdict):
    said = round_trip_sentence(numbers)
    assert what in said
    assert "9.6 times" in said
    assert "residual map" in said
    level, sentence = judge(numbers, pattern_snr=40)
    assert level == "caution"
    assert verdict in sentence


def test_the_top_of_a_page():
    assert ("Round trip", "4.3 (chance up to 5.3)") in quality_facts(PASSED)
    assert judge(PASSED, pattern_snr=40)[0] == "good"
