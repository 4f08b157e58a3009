"""Simulation: a structure, a pattern and a camera in, raw frames with known truth out.

In: structure names or pictures, optics, light level, a random generator; or a user's stack, to be like it.
Out: raw frames in counts, the object and all parameters. Knows no files, no network, no command line. Below
it: reconstruction, acquisition, optics. Start at `sim_frames.py`; `like.py` fits the conditions to a stack.
"""

from dlsim_ij.simulation.around import Spread, draw_around, spread_of
from dlsim_ij.simulation.batch import SimJob, simulate_batch
from dlsim_ij.simulation.blinking import (
    BlinkingConditions,
    BlinkingSeries,
    blinking_states,
    simulate_blinking,
)
from dlsim_ij.simulation.camera import Camera, PixelMaps
from dlsim_ij.simulation.conditions import (
    Conditions,
    bleached,
    drifting,
    illumination,
    jittered,
    paper_conditions,
    random_conditions,
)
from dlsim_ij.simulation.like import StackFit, fit_stack, scene_of
from dlsim_ij.simulation.likeness import Likeness, compare_stacks
from dlsim_ij.simulation.parameters import conditions_from_dict
from dlsim_ij.simulation.pictures import object_from_picture, object_from_points
from dlsim_ij.simulation.sim_frames import SimulatedStack, simulate_sim
from dlsim_ij.simulation.structures import STRUCTURES, TARGETS, draw_structure
from dlsim_ij.simulation.transfer import Aberration, MeasuredPsf

__all__ = [
    "STRUCTURES",
    "TARGETS",
    "Aberration",
    "BlinkingConditions",
    "BlinkingSeries",
    "Camera",
    "Conditions",
    "Likeness",
    "MeasuredPsf",
    "PixelMaps",
    "SimJob",
    "SimulatedStack",
    "Spread",
    "StackFit",
    "bleached",
    "blinking_states",
    "compare_stacks",
    "conditions_from_dict",
    "draw_around",
    "draw_structure",
    "drifting",
    "fit_stack",
    "illumination",
    "jittered",
    "object_from_picture",
    "object_from_points",
    "paper_conditions",
    "random_conditions",
    "scene_of",
    "simulate_batch",
    "simulate_blinking",
    "simulate_sim",
    "spread_of",
]
