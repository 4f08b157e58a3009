"""Parameters: refused when they make no sense, told as JSON, and the same when read back."""

import dataclasses
import json

import numpy as np
import pytest

from dlsim_ij.errors import ConfigError, LayoutError
from dlsim_ij.optics import Optics
from dlsim_ij.reconstruction import estimate_parameters
from dlsim_ij.reconstruction.wiener_parameters import (
    check_same_pixel,
    follow_parameters,
    parameters_from_dict,
)
from dlsim_ij.simulation import Conditions, draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import paper_patterns


def simulate(photons=300.0, seed=0):
    rng = np.random.default_rng(seed)
    density = draw_structure("actin", (256, 256), 0.03, rng)
    conditions = Conditions(
        patterns=paper_patterns(phases_rad=(0.4, 1.4, 2.4)), photons=photons, intensity=(1.0,) * 15
    )
    return simulate_sim(density, conditions, rng)


@pytest.fixture(scope="module")
def found():
    return estimate_parameters(simulate().raw, Optics())


def test_they_survive_json(found):
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    read = parameters_from_dict(told, n_phases=5)
    assert read.patterns == found.patterns
    assert read.optics == found.optics
    assert read.otf_damping == found.otf_damping
    row = told["patterns"][0]
    assert row["angle_deg"] == pytest.approx(13.9, abs=0.2)
    assert row["period_nm"] == pytest.approx(493, rel=2e-3)
    assert min(row["step_errors_deg"]) == max(row["step_errors_deg"]) == 0
    assert told["patterns"][2]["step_agreement"] > 0.8
    assert told["finest_detail_nm"] == pytest.approx(103, abs=1)


def test_a_written_file_needs_directions_and_periods_only(found):
    told = {
        "optics": Optics().to_dict(),
        "patterns": [{"angle_deg": p.angle_deg, "period_nm": 60 * p.period_px} for p in found.patterns],
    }
    read = parameters_from_dict(told, n_phases=5)
    for one, original in zip(read.patterns, found.patterns, strict=True):
        assert one.orders == 2
        np.testing.assert_allclose(one.frequency_px, original.frequency_px, rtol=1e-9)
    again = estimate_parameters(simulate(seed=1).raw, Optics(), known=read.patterns)
    assert again.patterns[0].frequency_px == read.patterns[0].frequency_px
    assert again.patterns[0].modulation[0] > 0.3


def test_a_channel_takes_its_own_entry(found):
    other = dataclasses.replace(found, optics=Optics(emission_nm=610.0))
    told = {
        "stacks": [{"position": {"C": n}, **one.to_dict()} for n, one in enumerate((found, other))],
    }
    for channel, emission in ((0, 525.0), (1, 610.0)):
        assert parameters_from_dict(told, n_phases=5, channel=channel).optics.emission_nm == emission


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"patterns": []}, "'patterns'"),
        ({"optics": {"na": 1.4}}, "'optics.emission_nm'"),
        ({"patterns": [{"angle_deg": 3}]}, "neither frequency_px nor angle_deg and period_nm"),
        ({"patterns": [{"angle_deg": 3, "period_nm": 20}]}, "a period that the optics cannot make"),
        ({"patterns": [{"angle_deg": 3, "period_nm": 493, "modulation": [0.5]}]}, "1 modulations for 2"),
        ({"patterns": [{"angle_deg": "x", "period_nm": 493}]}, "'patterns.0.angle_deg'"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(change, said, found):
    with pytest.raises(ConfigError, match=said):
        parameters_from_dict({**found.to_dict(), **change}, n_phases=5, where="file.json")


def test_another_pixel_is_refused(found):
    check_same_pixel(found, 0.06, "file.json")
    with pytest.raises(ConfigError, match="for pixels of 60 nm, the stack has 65 nm"):
        check_same_pixel(found, 0.065, "file.json")


def test_a_wrong_order_is_refused_unless_forced():
    wrong = simulate().raw.reshape(3, 5, 128, 128).swapaxes(0, 1).reshape(15, 128, 128)
    with pytest.raises(LayoutError, match="not in angle-major order"):
        estimate_parameters(wrong, Optics())
    forced = estimate_parameters(wrong, Optics(), force=True)
    assert not forced.fit
    assert forced.warnings


def test_fixed_phases_are_those_of_the_calibration(found):
    other = simulate(seed=7).raw
    fixed = estimate_parameters(other, Optics(), known=found.patterns, phases="fixed")
    assert [p.phases_rad for p in fixed.patterns] == [p.phases_rad for p in found.patterns]
    with pytest.raises(ConfigError, match="fixed only by a calibration"):
        estimate_parameters(other, Optics(), phases="fixed")


def test_in_the_dark_the_reference_is_followed(found):
    dark = simulate(photons=10.0, seed=0).raw
    followed = follow_parameters(dark, found)
    for one, reference, true in zip(
        followed.patterns, found.patterns, simulate().conditions.patterns, strict=True
    ):
        assert one.frequency_px == reference.frequency_px
        assert one.modulation == reference.modulation
        assert abs((one.phases_rad[0] - true.phases_rad[0] + np.pi) % (2 * np.pi) - np.pi) < 0.2
    assert follow_parameters(dark, found, phases="fixed") == found
