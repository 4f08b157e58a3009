"""The particle swarm of the published plugin, with the random numbers of Java.

The swarm has no merit over the straight-line fit that :mod:`dlsim_ij.quality.squirrel_exact` makes for each
sigma. It is here because its answer is the published number.

With a first guess of beta above 0 all particles meet in the best fit, whatever the order of the random
numbers. Below 0 the box of the search is inside out, every speed is damped, and the swarm stops short of the
best fit at a place that does depend on that order. The order here is the one that comes closest to the known
numbers of iterations (210, 202, 208, 205 for 210, 197, 208, 205); it is not proven to be the plugin's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

SIGMA_BOX_PX = (0.5, 10.0)  # reference pixels
_SEED = 327636000
_PARTICLES = 10
_MOST_ITERATIONS = 300
_ATTRACTION = 1.9
_ENOUGH = 1e-7  # of the largest smoothed progress
_SMOOTHING = 0.9

_FLOAT = struct.Struct("f")


class JavaRandom:
    """The linear congruential generator of ``java.util.Random``."""

    def __init__(self, seed: int) -> None:
        self._state = (seed ^ 0x5DEECE66D) % 2**48

    def _bits(self, count: int) -> int:
        self._state = (self._state * 0x5DEECE66D + 11) % 2**48
        return self._state >> (48 - count)

    def next_float(self) -> float:
        """Return a number from 0 to 1 with 24 bits."""
        return self._bits(24) / 2**24

    def next_double(self) -> float:
        """Return a number from 0 to 1 with 53 bits."""
        high = self._bits(26)
        return ((high << 27) + self._bits(27)) / 2**53


@dataclass(frozen=True, kw_only=True)
class SwarmMinimum:
    """Where the swarm stopped."""

    alpha: float
    beta: float
    sigma_px: float
    error: float
    iterations: int


@dataclass(frozen=True)
class _Axis:
    """One of the variables: where it starts, and the box in which the particles begin."""

    start: float
    low: float
    high: float
    stops_low: bool = False  # a particle may not leave the box here
    stops_high: bool = False

    @property
    def span(self) -> float:
        """Below 0 where the box is inside out, as the plugin has it."""
        return self.high - self.low


def swarm_minimum(
    error: Callable[[float, float, float], float],
    gain: float,
    offset: float,
    fixed_sigma_px: float | None = None,
) -> SwarmMinimum:
    """Search alpha, beta and sigma as the published plugin does.

    Parameters
    ----------
    error : callable
        Of alpha, beta and sigma in reference pixels; at least 0.
    gain, offset : float
        Straight-line fit without blur: start and scale of the search.
    fixed_sigma_px : float, optional
        A sigma that is known.

    Returns
    -------
    SwarmMinimum
    """
    axes, may_stop = _axes(gain, offset, fixed_sigma_px)
    random = JavaRandom(_SEED)
    places, speeds = _scattered(axes, random)
    own, own_error = [list(place) for place in places], [error(*place) for place in places]
    leader = own_error.index(min(own_error))
    best, best_error = list(own[leader]), own_error[leader]
    worst = max(own_error)
    last_gain = progress = largest = 0.0
    iteration = 1  # the places they were scattered to
    while iteration < _MOST_ITERATIONS:
        inertia = 0.9 - 0.5 * iteration / _MOST_ITERATIONS
        iteration += 1
        moved = 0.0
        for place, speed, attractive in zip(places, speeds, own, strict=True):
            moved += _move(place, speed, attractive, best, axes, inertia, random)
        for number, place in enumerate(places):
            found = error(*place)
            worst = max(worst, found)
            if found < own_error[number]:
                own[number], own_error[number] = list(place), found
                if found < best_error:
                    last_gain = best_error - found
                    best, best_error = list(place), found
        step = last_gain / worst * moved if worst > 0 else 0.0
        progress = step if iteration == 2 else _SMOOTHING * progress + (1 - _SMOOTHING) * step
        largest = max(largest, progress)
        if may_stop and progress < _ENOUGH * largest:
            break
    return SwarmMinimum(alpha=best[0], beta=best[1], sigma_px=best[2], error=best_error, iterations=iteration)


def _axes(gain: float, offset: float, fixed_sigma_px: float | None) -> tuple[tuple[_Axis, ...], bool]:
    if fixed_sigma_px is None:
        sigma = _Axis(5.0, *SIGMA_BOX_PX, stops_low=True, stops_high=True)
    else:
        sigma = _Axis(_single(fixed_sigma_px), _single(fixed_sigma_px), _single(fixed_sigma_px))
    if gain == 0 or offset == 0:
        alpha = _Axis(10.0, _single(0.001), 100.0, stops_low=True)
        return (alpha, _Axis(0.0, -1000.0, 1000.0), sigma), False
    alpha = _Axis(_single(gain), _single(0.001), _single(10 * gain), stops_low=True)
    beta = _Axis(_single(offset), _single(0.1 * offset), _single(10 * offset))
    return (alpha, beta, sigma), True


def _single(number: float) -> float:
    """Round to float32, in which the plugin keeps places and speeds."""
    return float(_FLOAT.unpack(_FLOAT.pack(number))[0])


def _scattered(axes: tuple[_Axis, ...], random: JavaRandom) -> tuple[list[list[float]], list[list[float]]]:
    places = [[0.0] * len(axes) for _ in range(_PARTICLES)]
    speeds = [[0.0] * len(axes) for _ in range(_PARTICLES)]
    for number, axis in enumerate(axes):
        for place, speed in zip(places, speeds, strict=True):
            place[number] = _single(axis.low + axis.span * random.next_float())
            speed[number] = _single(0.2 * axis.span * (2 * random.next_float() - 1))
        places[0][number], speeds[0][number] = axis.start, 0.0
    return places, speeds


def _move(
    place: list[float],
    speed: list[float],
    own: list[float],
    best: list[float],
    axes: tuple[_Axis, ...],
    inertia: float,
    random: JavaRandom,
) -> float:
    """Move one particle; return how far, in units of the box."""
    to_best, to_own = _ATTRACTION * random.next_double(), _ATTRACTION * random.next_double()
    moved = 0.0
    for number, axis in enumerate(axes):
        if axis.span == 0:
            continue
        here = place[number]
        velocity = inertia * speed[number] + to_own * (own[number] - here) + to_best * (best[number] - here)
        origin = here
        if axis.stops_low and here + velocity < axis.low:
            origin, velocity = axis.low, -velocity * random.next_double()
        elif axis.stops_high and here + velocity > axis.high:
            origin, velocity = axis.high, -velocity * random.next_double()
        place[number] = _single(origin + _single(velocity))
        if abs(velocity) > axis.span:  # always, in a box that is inside out
            velocity *= random.next_double()
        speed[number] = _single(velocity)
        moved += abs((place[number] - here) / axis.span)
    return moved
