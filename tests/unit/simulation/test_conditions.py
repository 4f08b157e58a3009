"""Descriptions of an acquisition: to JSON and back, designed, unsteady, refused."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.errors import ConfigError
from dlsim_ij.optics import Optics
from dlsim_ij.simulation import (
    Aberration,
    Camera,
    Conditions,
    MeasuredPsf,
    bleached,
    conditions_from_dict,
    drifting,
    illumination,
    jittered,
    paper_conditions,
    random_conditions,
)
from dlsim_ij.simulation.conditions import paper_patterns


def plain():
    return Conditions(patterns=paper_patterns(), intensity=(1.0,) * 15)


@given(seed=st.integers(0, 10_000))
def test_json_brings_every_bit_back(seed):
    rng = np.random.default_rng(seed)
    drawn = dataclasses.replace(
        drifting(random_conditions(rng), 2.0, rng),
        aberration=Aberration(spherical_waves=rng.normal(0, 0.1), sample_index=1.38, depth_um=3.0),
        camera=Camera(full_well_electrons=30_000, map_seed=seed, multiplication=bool(seed % 2)),
    )
    assert conditions_from_dict(json.loads(json.dumps(drawn.to_dict()))) == drawn


def test_a_measured_point_is_given_anew():
    psf = MeasuredPsf(image=np.eye(9), pixel_size_um=0.05, source="point.tif")
    kept = dataclasses.replace(plain(), psf=psf).to_dict()
    assert kept["psf"] == {"pixel_size_um": 0.05, "source": "point.tif"}
    assert conditions_from_dict(kept).psf is None
    assert conditions_from_dict(kept, psf=psf).psf is psf


@pytest.mark.parametrize(
    ("change", "said", "hint"),
    [
        ({"photon": 3}, "conditions: unknown key 'photon'", "did you mean 'photons'?"),
        ({"photons": "many"}, "conditions.photons: 'many'", ""),
        ({"photons": True}, "conditions.photons: True", ""),
        ({"camera": {"gian_adu_per_electron": 1}}, "'gian_adu_per_electron'", "did you mean 'gain_adu"),
        ({"camera": {"bits": 12.5}}, "conditions.camera.bits", ""),
        ({"camera": 5}, "conditions.camera: 5", ""),
        ({"patterns": [{"phases_rad": [0]}]}, "is missing", ""),
        ({"drift_px": [[0, 0, 0]]}, "drift_px", ""),
        ({"intensity": [1, 1]}, "2 values of intensity do not fit 15 frames", ""),
        ({"photons": 0}, "0 photons", ""),
        ({"photons": 1e9}, "1e\\+09 photons", ""),
        ({"haze": -1}, "cannot be negative", ""),
        ({"patterns": []}, "at least one angle", ""),
        ({"otf_damping": 0}, "no microscope", ""),
        ({"intensity": [-1] * 15}, "negative light", ""),
    ],
)
def test_damaged_descriptions_are_refused_with_the_place(change, said, hint):
    with pytest.raises(ConfigError, match=said) as caught:
        conditions_from_dict({**plain().to_dict(), **change})
    assert hint in (caught.value.hint or "")
    assert caught.value.hint


def test_what_an_older_file_does_not_tell_has_its_default():
    old = plain().to_dict()
    for key in ("aberration", "psf", "drift_px"):
        del old[key]
    del old["camera"]["quantum_yield"]
    assert conditions_from_dict(old) == plain()


@pytest.mark.parametrize(
    ("words", "orders", "finest_nm"),
    [
        ({}, 2, 246), ({"n_phases": 3}, 1, 246), ({"n_phases": 5, "beams": 2, "period_nm": 300}, 1, 300),
        ({"n_angles": 5, "n_phases": 7, "period_nm": 200}, 2, 200), ({"n_angles": 2, "n_phases": 4}, 1, 246),
    ],
)  # fmt: skip
def test_designed_patterns_are_as_designed(words, orders, finest_nm):
    optics = Optics()
    made = illumination(np.random.default_rng(0), optics, first_angle_deg=20.0, **words)
    n_angles, n_phases = words.get("n_angles", 3), words.get("n_phases", 5)
    assert len(made) == n_angles
    for number, pattern in enumerate(made):
        assert pattern.orders == orders
        assert len(pattern.steps_rad) == n_phases
        assert 60 * pattern.period_px / orders == pytest.approx(finest_nm)
        assert (pattern.angle_deg - 20 - 180 / n_angles * number + 90) % 180 == pytest.approx(90)


def test_weaker_optics_get_a_pattern_that_they_pass():
    optics = Optics(na=0.9, pixel_size_um=0.1)
    (first, *_) = illumination(np.random.default_rng(0), optics)
    assert first.orders / first.period_px == pytest.approx(0.72 * optics.cutoff_px)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"period_nm": 150}, "150 nm does not pass these optics, which end at 176 nm"),
        ({"n_phases": 4, "beams": 3}, "5 phases are needed"),
        ({"n_phases": 2}, "3 phases are needed"),
        ({"beams": 4}, "4 beams"),
        ({"modulation": (0.5,)}, "does not fit 2 orders"),
        ({"modulation": (0.5, 1.5)}, "does not fit 2 orders"),
    ],
)
def test_impossible_designs_are_refused(words, said):
    with pytest.raises(ConfigError, match=said) as caught:
        illumination(np.random.default_rng(0), Optics(), **words)
    assert caught.value.hint


def test_jitter_has_the_stated_spread():
    base = plain()
    rng = np.random.default_rng(0)
    many = [
        jittered(base, rng, angle_deg=0.5, period=0.01, phase_deg=4.0, intensity=0.03) for _ in range(200)
    ]
    angles = np.array([[p.angle_deg for p in one.patterns] for one in many])
    periods = np.array([[p.period_px for p in one.patterns] for one in many])
    steps = np.degrees([[p.steps_rad for p in one.patterns] for one in many])
    assert angles.std(axis=0).mean() == pytest.approx(0.5, rel=0.1)
    assert (periods.std(axis=0) / periods.mean(axis=0)).mean() == pytest.approx(0.01, rel=0.1)
    assert steps.std(axis=0).mean() == pytest.approx(4, rel=0.05)
    assert np.std([one.intensity for one in many]) == pytest.approx(0.03, rel=0.05)
    with pytest.raises(ConfigError, match="spread"):
        jittered(base, rng, period=-0.1)


def test_bleaching_fades_evenly_to_what_is_left():
    faded = np.array(bleached(plain(), 0.4).intensity)
    assert faded[0] == 1
    assert faded[-1] == pytest.approx(0.6)
    np.testing.assert_allclose(faded[1:] / faded[:-1], faded[1] / faded[0])
    with pytest.raises(ConfigError, match="100 %"):
        bleached(plain(), 1.0)


def test_the_papers_microscope_is_what_it_was():
    drawn = paper_conditions(np.random.default_rng(5), photons=(10, 10))
    assert drawn.aberration == Aberration()
    assert drawn.drift_px == ()
    assert drawn.psf is None
    assert not drawn.camera.pixels_differ
