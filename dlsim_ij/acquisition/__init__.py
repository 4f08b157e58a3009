"""Acquisition: raw frames in, what they are out.

In: frames (n_frames, Y, X) in counts, optics. Out: layout, illumination patterns, checks.
Knows no files, no network, no report. Below it: optics, images. Start at `detect.py`.
"""
