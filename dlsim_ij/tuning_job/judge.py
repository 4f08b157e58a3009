"""Did it get better? Scores of two models on the same fields and stacks in, one verdict out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlsim_ij.quality.summary import PairedDifference, paired_difference
from dlsim_ij.results import Result

_CLEARLY = 1.2  # times what it was, a departure is named that the blocks of all stacks need not show


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldScores(Result):
    """One image of a model on held-out fields, a number each.

    Attributes
    ----------
    psnr_db, nrmse : tuple of float
        After the best gain and offset, see `quality.fair_scores`.
    within : tuple of float or None
        Share of pixels that the network's 90 % interval holds; None if it tells none.
    """

    psnr_db: tuple[float, ...]
    nrmse: tuple[float, ...]
    within: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackScore(Result):
    """What the user's raw frames say against one image of a model.

    Attributes
    ----------
    stack, target : str
    value, limit : float
        Largest local departure, and up to what chance explains, see `PhysicsResidual`.
    frames_rms : float
    finest_image_px : float
        Shortest period shown, in camera pixels.
    blocks : tuple of float
        Largest departure beyond `limit` in each block of the field, 0 where there is none.
    """

    stack: str
    target: str
    value: float
    limit: float
    frames_rms: float
    finest_image_px: float
    blocks: tuple[float, ...]

    @property
    def consistent(self) -> bool:
        """Nowhere do the frames contradict the image beyond chance."""
        return self.value <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Result):
    """Whether the tuned model is better, and why.

    Attributes
    ----------
    accepted : bool
    sentences : tuple of str
        One per thing that was measured.
    psnr_gain, nrmse_change : mapping
        By target: tuned minus start, with 95 % interval.
    contradiction : mapping
        By target: growth of what the frames say against the images, over the blocks of all stacks.
    """

    accepted: bool
    sentences: tuple[str, ...]
    psnr_gain: Mapping[str, PairedDifference]
    nrmse_change: Mapping[str, PairedDifference]
    contradiction: Mapping[str, PairedDifference]


def judge(
    before: Mapping[str, FieldScores],
    after: Mapping[str, FieldScores],
    stacks_before: Sequence[StackScore],
    stacks_after: Sequence[StackScore],
) -> Verdict:
    """Compare the start model (`before`) with the tuned one.

    Parameters
    ----------
    before, after : mapping
        By target, on the same held-out fields.
    stacks_before, stacks_after : sequence of StackScore
        Of the same stacks and targets.

    Returns
    -------
    Verdict
        Accepted if for every target the 95 % interval of the gain in PSNR lies above 0, no stack that was
        consistent with its frames has become inconsistent, and departures beyond chance have not grown
        (interval over blocks not above 0). Departures that chance explains do not count: an image that
        follows the noise of its own frames has the smallest.
    """
    gains = {name: paired_difference(after[name].psnr_db, before[name].psnr_db) for name in before}
    nrmse = {name: paired_difference(after[name].nrmse, before[name].nrmse) for name in before}
    growth, sentences, accepted = {}, [], True
    for name, gain in gains.items():
        better = gain.low is not None and gain.low > 0
        accepted &= better
        sentences.append(
            f"'{name}' on {gain.n} held-out simulated fields: {gain.mean:+.2f} dB{_interval(gain)}, "
            + ("better." if better else "not shown to be better.")
        )
    for name in before:
        pairs = [
            (old, new)
            for old, new in zip(stacks_before, stacks_after, strict=True)
            if old.target == name == new.target
        ]
        if not pairs:
            continue
        lost = [new for old, new in pairs if old.consistent and not new.consistent]
        growth[name] = paired_difference(
            [value for _, new in pairs for value in new.blocks],
            [value for old, _ in pairs for value in old.blocks],
        )
        low = growth[name].low
        grown = low is not None and low > 0
        accepted &= not lost and not grown
        told = f"'{name}' on your own frames: {_departures(pairs)}"
        if lost:
            told += f"; {', '.join(s.stack for s in lost)}: consistent before, contradicted now."
        elif grown:
            told += f"; departures beyond chance grew by {growth[name].mean:.2f}{_interval(growth[name])}."
        else:
            told += "; taken together not worse than before."
        sentences.append(told)
    return Verdict(
        accepted=accepted,
        sentences=tuple(sentences),
        psnr_gain=gains,
        nrmse_change=nrmse,
        contradiction=growth,
    )


def _departures(pairs: Sequence[tuple[StackScore, StackScore]]) -> str:
    """Tell the largest departures, and of which stacks they have clearly grown."""
    old, new = (max(own, key=lambda s: s.value / s.limit) for own in zip(*pairs, strict=True))
    told = f"largest departure {old.value:.1f} before, {new.value:.1f} now, by chance up to {new.limit:.1f}"
    grown = [
        f"{after.stack} from {before.value:.1f} to {after.value:.1f}"
        for before, after in pairs
        if after.value > max(after.limit, _CLEARLY * before.value)
    ]
    return told + (f"; grown in {', '.join(grown)}" if grown else "")


def _interval(difference: PairedDifference) -> str:
    if difference.low is None or difference.high is None:
        return " (one only: no interval)"
    return f" (95 %: {difference.low:+.2f} to {difference.high:+.2f})"
