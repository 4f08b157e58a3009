"""Many stacks, in one process or several: every job has its own seed, so their order changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.processes import map_in_processes
from dlsim_ij.simulation.conditions import Conditions
from dlsim_ij.simulation.sim_frames import SimulatedStack, simulate_sim
from dlsim_ij.simulation.structures import draw_structure

FloatArray = NDArray[np.floating]
RandomState = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class SimJob:
    """All that makes one stack, whatever process makes it.

    Attributes
    ----------
    structure : str
        A name for `draw_structure`; not looked at if there is a `density`.
    size_px : (int, int)
        Of a raw frame, Y and X.
    seed : tuple of int
        Of everything random.
    make_conditions : callable or Conditions
        Draws the conditions with the job's generator, or is them.
    density, haze_density : (f Y, f X) ndarray, optional
        The object and what lies out of focus; drawn if not given.
    points_per_pixel : int
        Of the object's grid.
    random_state : dict, optional
        State of the generator when the noise was drawn, to make the same stack again.
    """

    structure: str
    size_px: tuple[int, int]
    seed: tuple[int, ...]
    make_conditions: Callable[[np.random.Generator], Conditions] | Conditions
    density: FloatArray | None = field(default=None, repr=False)
    haze_density: FloatArray | None = field(default=None, repr=False)
    points_per_pixel: int = 2
    pixel_size_um: float = 0.06
    random_state: RandomState | None = field(default=None, repr=False)


def run_job(job: SimJob) -> tuple[SimulatedStack, RandomState]:
    """Simulate one job; return the stack and the state of the generator before the noise."""
    rng = np.random.default_rng(list(job.seed))
    grid = (job.points_per_pixel * job.size_px[0], job.points_per_pixel * job.size_px[1])
    step_um = job.pixel_size_um / job.points_per_pixel
    density, haze = job.density, job.haze_density
    if density is None:
        density = draw_structure(job.structure, grid, step_um, rng)
        haze = haze if haze is not None else draw_structure(job.structure, grid, step_um, rng)
    conditions = job.make_conditions
    if not isinstance(conditions, Conditions):
        conditions = conditions(rng)
    if job.random_state is not None:
        rng.bit_generator.state = job.random_state
    state: RandomState = dict(rng.bit_generator.state)
    stack = simulate_sim(density, conditions, rng, haze_density=haze, points_per_pixel=job.points_per_pixel)
    return stack, state


def simulate_batch(
    jobs: Sequence[SimJob], *, n_processes: int = 1
) -> Generator[tuple[SimulatedStack, RandomState], None, None]:
    """Simulate many stacks, in the order of the jobs.

    Parameters
    ----------
    jobs : sequence of SimJob
    n_processes : int
        Processes to use; one costs no start-up, more start in about a second.

    Yields
    ------
    stack, state
        As of `run_job`. The same bits for any number of processes.
    """
    if n_processes <= 1 or len(jobs) < 2:
        for job in jobs:
            yield run_job(job)
        return
    yield from map_in_processes(run_job, jobs, n_processes)
