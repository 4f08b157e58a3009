"""Simulation: a structure, a pattern and a camera in, raw frames with known truth out.

In: structure names, optics, light level, a random generator. Out: raw frames in counts, the object and
all parameters. Knows no files, no network, no command line. Below it: reconstruction, optics.
Start at `sim_frames.py`.
"""

from dlsim_ij.simulation.blinking import (
    BlinkingConditions,
    BlinkingSeries,
    blinking_states,
    simulate_blinking,
)
from dlsim_ij.simulation.camera import Camera
from dlsim_ij.simulation.sim_frames import Conditions, SimulatedStack, random_conditions, simulate_sim
from dlsim_ij.simulation.structures import STRUCTURES, draw_structure

__all__ = [
    "STRUCTURES",
    "BlinkingConditions",
    "BlinkingSeries",
    "Camera",
    "Conditions",
    "SimulatedStack",
    "blinking_states",
    "draw_structure",
    "random_conditions",
    "simulate_blinking",
    "simulate_sim",
]
