"""Acquisition: raw frames in, what they are out.

In: frames (n_frames, Y, X) in counts, or images with named axes; optics. Out: layout, order, illumination
patterns, light, checks. Knows no files, no network, no report. Below it: optics, images. Start at
`detect.py`.
"""

from dlsim_ij.acquisition.detect import detect_acquisition
from dlsim_ij.acquisition.examine import Examined, examine, examine_stack
from dlsim_ij.acquisition.layout import Acquisition, RawStacks, split_stack
from dlsim_ij.acquisition.light import Light, measure_light
from dlsim_ij.acquisition.pattern_fit import fit_patterns
from dlsim_ij.acquisition.pattern_phases import measure_steps
from dlsim_ij.acquisition.storage import arrange, split_storage
from dlsim_ij.acquisition.thinning import CountsCamera, thin_frames

__all__ = [
    "Acquisition",
    "CountsCamera",
    "Examined",
    "Light",
    "RawStacks",
    "arrange",
    "detect_acquisition",
    "examine",
    "examine_stack",
    "fit_patterns",
    "measure_light",
    "measure_steps",
    "split_stack",
    "split_storage",
    "thin_frames",
]
