"""Many stacks: the same bits whatever process makes them."""

from functools import partial

import numpy as np

from dlsim_ij.simulation import SimJob, paper_conditions, simulate_batch
from dlsim_ij.simulation.batch import run_job


def jobs(count):
    make = partial(paper_conditions, photons=(20.0, 20.0))
    return [
        SimJob(structure="actin", size_px=(48, 64), seed=(7, number), make_conditions=make)
        for number in range(count)
    ]


def test_one_process_or_two_make_the_same_bits():
    alone, shared = (list(simulate_batch(jobs(4), n_processes=n)) for n in (1, 2))
    for (a, state_a), (b, state_b) in zip(alone, shared, strict=True):
        assert a.conditions == b.conditions
        assert state_a == state_b
        for name in ("raw", "electrons", "object", "sample"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert (alone[0][0].raw != alone[1][0].raw).mean() > 0.5


def test_a_job_is_repeated_from_its_conditions_and_the_state_of_the_noise():
    (first,) = jobs(1)
    stack, state = run_job(first)
    again, _ = run_job(
        SimJob(
            structure="actin",
            size_px=(48, 64),
            seed=(7, 0),
            make_conditions=stack.conditions,
            random_state=state,
        )
    )
    np.testing.assert_array_equal(again.raw, stack.raw)


def test_a_given_object_is_used_as_it_is():
    density = np.zeros((96, 128), np.float32)
    density[40:60, 50:90] = 1
    make = partial(paper_conditions, photons=(20.0, 20.0))
    stack, _ = run_job(
        SimJob(
            structure="",
            size_px=(48, 64),
            seed=(1,),
            make_conditions=make,
            density=density,
            haze_density=density,
        )
    )
    np.testing.assert_array_equal(stack.sample > 0, density > 0)
