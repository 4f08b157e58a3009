"""The sentence at the top of a report follows from the numbers."""

from __future__ import annotations

import copy

import pytest

from dlsim_ij.report.verdict import judge

FAITHFUL = {
    "resolution_nm": 120.0,
    "resolution_px": 4.0,
    "resolution_status": "ok",
    "enlarged_factor": 1.0,
    "resolution_limit_nm": 100.0,
    "rsp": 0.9,
    "rsp_sigma_at_bound": False,
    "widefield": {"resolution_nm": 260.0, "resolution_px": 8.7, "enlarged_factor": 1.0},
    "wiener": {"rsp": 0.92},
}
CASES = {
    "not fit": ({}, "poor", "Do not use this image"),
    "other image": ({"rsp": 0.1}, "poor", "something else than the widefield image (RSP 0.10)"),
    "nothing repeats": ({"frc_status": "no-signal"}, "poor", "share no detail"),
    "enlarged": ({"enlarged_factor": 2.0}, "caution", "no more than an image enlarged 2 times"),
    "frames enlarged": (
        {"widefield": {"enlarged_factor": 1.5}},
        "caution",
        "frames had been enlarged 1.5 times",
    ),
    "no peak": (
        {"resolution_status": "no-peak", "resolution_nm": None, "resolution_px": None},
        "caution",
        "no peak",
    ),
    "pattern": ({"residual_pattern": True}, "caution", "a regular pattern was left"),
    "not sharper": (
        {"resolution_px": 8.5, "resolution_nm": 255.0},
        "caution",
        "not sharper than the widefield",
    ),
    "too fine": ({"resolution_nm": 80.0, "resolution_px": 2.7}, "caution", "pass on (100 nm)"),
    "unrepeated": (
        {"frc_resolution_px": 7.0, "frc_resolution_nm": 210.0},
        "caution",
        "only detail down to 210 nm repeats",
    ),
    "less than Wiener": ({"rsp": 0.8}, "caution", "less with the widefield image than the Wiener image"),
    "low": ({"rsp": 0.45, "wiener": {"rsp": 0.46}}, "caution", "agrees poorly"),
    "bound": ({"rsp_sigma_at_bound": True}, "caution", "at its bound"),
}


def test_a_faithful_result_is_good():
    level, sentence = judge(FAITHFUL, pattern_snr=40)
    assert level == "good"
    assert sentence.startswith("Resolution 120 nm (widefield 260 nm), RSP 0.90 (Wiener image 0.92)")


@pytest.mark.parametrize("case", CASES)
def test_each_reason_is_named(case):
    changes, level, words = CASES[case]
    metrics = copy.deepcopy(FAITHFUL)
    for key, value in changes.items():
        metrics[key] = {**metrics[key], **value} if isinstance(value, dict) else value
    fit = case != "not fit"
    found = judge(metrics, pattern_snr=40, fit=fit, doubts=() if fit else ("The order is wrong.",))
    assert found[0] == level
    assert words in found[1]
    assert found[1].count(".") - found[1].count("0.") - found[1].count("1.5") <= 1  # one sentence


def test_doubts_about_the_frames_come_first():
    level, sentence = judge(FAITHFUL, pattern_snr=4, doubts=["RMS of angle 2 is low.", "Another."])
    assert level == "caution"
    assert sentence.endswith("; but RMS of angle 2 is low.")  # an abbreviation keeps its capitals


def test_without_numbers_the_pattern_is_the_verdict():
    level, sentence = judge({}, pattern_snr=51.2)
    assert level == "good"
    assert "ratio 51" in sentence
    assert judge({}, pattern_snr=5, doubts=["the light fades."]) == ("caution", "The light fades.")


def test_pixels_stand_in_for_an_unknown_size():
    metrics = {"resolution_px": 4.04, "widefield": {"resolution_px": 9.0, "resolution_nm": None}}
    assert judge(metrics, pattern_snr=9)[1].startswith("Resolution 4.0 px (widefield 9.0 px)")
