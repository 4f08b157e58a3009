"""The parameters of a series: found in every stack, or once per channel and followed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dlsim_ij.reconstruction.wiener_parameters import Phases, SimParameters, follow_parameters

Position = Mapping[str, int]  # place in the series, such as {"T": 3, "C": 0}


def series_parameters(
    positions: Sequence[Position],
    stack: Callable[[int], NDArray[Any]],
    find: Callable[[NDArray[Any], Position], SimParameters],
    *,
    estimate: Literal["each", "first", "mean"] = "each",
    phases: Phases = "known",
) -> Iterator[tuple[NDArray[Any], SimParameters]]:
    """Give every stack of a series with its parameters.

    Parameters
    ----------
    positions : sequence of mapping
        Place of each stack; stacks with the same "C" share their pattern.
    stack : callable
        ``stack(number)`` returns native frames, (n_frames, Y, X); called when they are needed.
    find : callable
        ``find(frames, position)`` estimates parameters anew, as `estimate_parameters` does.
    estimate : {"each", "first", "mean"}
        Where patterns are looked for: in each stack, in the first of its channel, in the mean of its channel.
    phases : {"known", "estimated", "fixed"}
        As for `follow_parameters`.

    Yields
    ------
    frames : (n_frames, Y, X) ndarray
    parameters : SimParameters
        The warnings of a channel's estimate come with its first stack.
    """
    references: dict[int, SimParameters] = {}
    for number, position in enumerate(positions):
        frames = stack(number)
        if estimate == "each":
            yield frames, find(frames, position)
            continue
        channel = position.get("C", 0)
        warnings: tuple[tuple[str, str], ...] = ()
        if channel not in references:
            same = [n for n, other in enumerate(positions) if other.get("C", 0) == channel]
            shown = frames if estimate == "first" else _mean(stack, same)
            references[channel] = find(shown, position)
            warnings = references[channel].warnings
        followed = follow_parameters(frames, references[channel], phases=phases)
        yield frames, dataclasses.replace(followed, warnings=warnings)


def _mean(stack: Callable[[int], NDArray[Any]], numbers: Sequence[int]) -> NDArray[np.float64]:
    total = stack(numbers[0]).astype(np.float64)
    for number in numbers[1:]:
        total += stack(number)
    return total / len(numbers)
