"""Acquisition: raw frames in, what they are out.

In: frames (n_frames, Y, X) in counts, optics. Out: layout, illumination patterns, checks.
Knows no files, no network, no report. Below it: optics, images. Start at `detect.py`.
"""

from dlsim_ij.acquisition.detect import detect_acquisition
from dlsim_ij.acquisition.layout import Acquisition, split_stack
from dlsim_ij.acquisition.pattern_fit import fit_patterns
from dlsim_ij.acquisition.pattern_phases import measure_steps

__all__ = ["Acquisition", "detect_acquisition", "fit_patterns", "measure_steps", "split_stack"]
