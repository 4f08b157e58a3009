from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlsim_ij.training.schedules import cosine, learning_rate_factor, seed_actual, seed_intended, warmup
from dlsim_ij.training.settings import ScheduleSettings


@pytest.mark.parametrize(
    ("epoch", "intended", "actual"),
    [
        (0, 1, 1), (2, 1, 1), (3, 0.1, 0.005), (7, 0.1, 0.005), (8, 0.05, 0.005),
        (11, 0.05, 0.005), (12, 0.005, 0.005), (1999, 0.005, 0.005),
    ],
)  # fmt: skip
def test_both_seed_schedules_at_every_boundary(epoch, intended, actual):
    assert seed_intended(epoch) == intended
    assert seed_actual(epoch) == actual


@pytest.mark.parametrize(
    ("epoch", "intended", "actual"),
    [(1, 1, 1), (2, 0.1, 0.005), (5, 0.1, 0.005), (6, 0.05, 0.005), (8, 0.005, 0.005)],
)
def test_the_snr_networks_boundaries(epoch, intended, actual):
    for name, expected in (("seed-intended", intended), ("seed-actual", actual)):
        schedule = ScheduleSettings(name=name, epochs=(2, 6, 8))
        assert learning_rate_factor(schedule, step=0, epoch=epoch, total_steps=1) == expected


def test_warmup_then_cosine_meet_at_one_and_end_at_the_final_factor():
    schedule = ScheduleSettings(name="cosine", warmup_steps=4, final_factor=0.1)
    factors = [learning_rate_factor(schedule, step=s, epoch=0, total_steps=14) for s in range(15)]
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[9] == pytest.approx(0.55)  # half way
    assert factors[14] == pytest.approx(0.1)


def test_warmup_multiplies_the_other_schedules():
    schedule = ScheduleSettings(name="constant", warmup_steps=10)
    assert learning_rate_factor(schedule, step=4, epoch=0, total_steps=5) == 0.5
    assert learning_rate_factor(schedule, step=10, epoch=9, total_steps=5) == 1
    assert warmup(0, 0) == 1


@given(total=st.integers(1, 10_000), final=st.floats(0, 1))
def test_cosine_only_falls_and_stays(total, final):
    values = [cosine(step, total, final) for step in sorted({0, total // 3, total // 2, total, total + 7})]
    assert values[0] == pytest.approx(1)
    assert values[-1] == values[-2] == pytest.approx(final)
    assert all(a >= b - 1e-12 for a, b in pairwise(values))
