"""Dose: one bright raw stack in, quality against light out, for every method.

The question of Jin et al. 2020 (:doi:`10.1038/s41467-020-15784-x`), how little light is enough, asked of the
user's own sample. In: a raw stack, shares of the light, models. Out: `DoseCurve`: scores, summary, images.
Knows no files but the models', no command line. Below it: acquisition (thinning), reconstruction, inference,
quality. Start at `curve.py`; `bench.py` holds the methods.
"""

from dlsim_ij.dose.curve import FRACTIONS, DoseCurve, dose_curve, models_for

__all__ = ["FRACTIONS", "DoseCurve", "dose_curve", "models_for"]
