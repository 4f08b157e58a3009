"""Quality: an image and a truth in, numbers out.

In: plain 2-D arrays, any intensity unit, on the same pixel grid. Out: frozen results whose scalars go to
JSON, CSV and the report alike. Knows no files, no JVM, no command line. Below it: errors, results. Start
at `pixelwise.py`; each number's formula and meaning stand in docs/quality.md.
"""

from dlsim_ij.quality.decorrelation import Decorrelation, decorrelation_resolution
from dlsim_ij.quality.frc import Frc, frc_frame_split, frc_resolution
from dlsim_ij.quality.frc_blocks import FrcMap, frc_map, nanoj_frc_map
from dlsim_ij.quality.intensity import fit_intensity
from dlsim_ij.quality.physics_residual import PhysicsResidual, physics_residual
from dlsim_ij.quality.pixelwise import (
    AllScores,
    RegisteredScores,
    Scores,
    dfcan_scores,
    fair_scores,
    scores,
    seed_scores,
    skimage_scores,
)
from dlsim_ij.quality.registration import best_shift, shift_image
from dlsim_ij.quality.resampling import Resampling, detect_resampling
from dlsim_ij.quality.resolution import ImageResolution, image_resolution
from dlsim_ij.quality.resolution_map import ResolutionMap, resolution_map
from dlsim_ij.quality.sectors import DirectionalResolution, directional_resolution
from dlsim_ij.quality.squirrel import Squirrel, rse_rsp
from dlsim_ij.quality.ssim import ms_ssim
from dlsim_ij.quality.summary import MeanInterval, PairedDifference, mean_interval, paired_difference
from dlsim_ij.quality.thinning import split_image

__all__ = [
    "seed_scores",
    "fair_scores",
    "dfcan_scores",
    "skimage_scores",
    "ms_ssim",
    "scores",
    "Scores",
    "AllScores",
    "RegisteredScores",
    "decorrelation_resolution",
    "Decorrelation",
    "image_resolution",
    "ImageResolution",
    "directional_resolution",
    "DirectionalResolution",
    "resolution_map",
    "ResolutionMap",
    "split_image",
    "mean_interval",
    "MeanInterval",
    "paired_difference",
    "PairedDifference",
    "detect_resampling",
    "Resampling",
    "frc_resolution",
    "frc_frame_split",
    "Frc",
    "frc_map",
    "nanoj_frc_map",
    "FrcMap",
    "fit_intensity",
    "best_shift",
    "shift_image",
    "rse_rsp",
    "Squirrel",
    "physics_residual",
    "PhysicsResidual",
]
