"""Learning-rate schedules as pure functions, so a resumed run is on time by itself."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlsim_ij.training.settings import ScheduleSettings

SEED_EPOCHS = (3, 8, 12)  # SIM networks; its SNR network has (2, 6, 8)


def seed_intended(epoch: int, epochs: Sequence[int] = SEED_EPOCHS) -> float:
    """Factor of the seed's schedule as it was meant: 1, 0.1, 0.05, then 0.005.

    `epoch` counts from 0; epochs 0 to 2 have factor 1 with the default boundaries.
    """
    first, second, third = epochs
    if epoch < first:
        return 1.0
    if epoch < second:
        return 0.1
    return 0.05 if epoch < third else 0.005


def seed_actual(epoch: int, epochs: Sequence[int] = SEED_EPOCHS) -> float:
    """Factor of the seed's schedule as its code runs: 1, then 0.005 for ever.

    Its fallback stands inside the loop over the boundaries, so only the first boundary is ever tested.
    """
    return 1.0 if epoch < epochs[0] else 0.005


def warmup(step: int, steps: int) -> float:
    """Linear from 1/steps at step 0 to 1 at step steps - 1."""
    return min(1.0, (step + 1) / steps) if steps else 1.0


def cosine(step: int, total: int, final: float = 0.0) -> float:
    """Half a cosine from 1 at step 0 to `final` at step `total`, where it stays.

    Examples
    --------
    >>> [round(cosine(step, 4), 3) for step in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    share = min(1.0, step / total) if total > 0 else 1.0
    return final + (1 - final) * 0.5 * (1 + cos(pi * share))


def learning_rate_factor(schedule: ScheduleSettings, *, step: int, epoch: int, total_steps: int) -> float:
    """Return what the learning rate is multiplied with in this step.

    Parameters
    ----------
    schedule : ScheduleSettings
        Name and constants; a warm-up multiplies whichever schedule it stands in front of.
    step, epoch : int
        Both counted from 0.
    total_steps : int
        Length of the run. The cosine falls over what the warm-up leaves of it.
    """
    start = warmup(step, schedule.warmup_steps)
    if schedule.name == "seed-intended":
        return start * seed_intended(epoch, schedule.epochs)
    if schedule.name == "seed-actual":
        return start * seed_actual(epoch, schedule.epochs)
    if schedule.name == "constant" or step < schedule.warmup_steps:
        return start
    falling = total_steps - schedule.warmup_steps
    return cosine(step - schedule.warmup_steps, falling, schedule.final_factor)
