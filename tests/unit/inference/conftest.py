"""A simulated stack for networks."""

import numpy as np
import pytest

from dlsim_ij.simulation import draw_structure, simulate_sim
from dlsim_ij.simulation.sim_frames import Conditions, paper_patterns


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(0)
    density = draw_structure("microtubules", (160, 176), 0.03, rng)
    conditions = Conditions(patterns=paper_patterns(phases_rad=(0.3, 1.0, 2.0)), intensity=(1.0,) * 15)
    return simulate_sim(density, conditions, rng)
