"""What every channel of a network's input and output is called and means.

Frames are called by angle and phase, both counted from 0: ``a0p0``, ``a0p1``, ... ``a2p4``, in the order of
the stack (all phases of angle 0 first).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dlsim_ij.bundles.card import ModelCard
from dlsim_ij.datasets.blinking_inputs import MAGNIFICATION, N_FRAMES
from dlsim_ij.datasets.inputs import input_kind
from dlsim_ij.errors import ModelError
from dlsim_ij.reconstruction.channels import MOST_ORDERS, N_ANGLES


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: its name in the package, and what it holds."""

    name: str
    meaning: str


def frame_names(card: ModelCard) -> list[str]:
    """Return the names of all frames of a stack for the model, in the order of the stack."""
    assert card.frames is not None  # a model without them has no known input
    if is_blinking(card):
        return [f"frame{number}" for number in range(card.frames.total)]
    n_angles, n_phases = angles_and_phases(card)
    return [f"a{angle}p{phase}" for angle in range(n_angles) for phase in range(n_phases)]


def is_blinking(card: ModelCard) -> bool:
    """Whether the model takes frames of a blinking sample, without angles and phases."""
    return card.input["kind"] == "srrf-channels" or card.input.get("selection") == "srrf5"


def angles_and_phases(card: ModelCard) -> tuple[int, int]:
    """Return the angles and phases of a stack for the model; of several layouts, the first."""
    assert card.frames is not None
    n_angles = int(card.input.get("n_angles", N_ANGLES))
    if card.frames.total % n_angles:
        n_angles = 1
    phases = card.input.get("n_phases") or (card.frames.total // n_angles,)
    return n_angles, int(phases[0])


def input_channels(card: ModelCard) -> list[Channel]:
    """Name the channels of the network's input.

    Raises
    ------
    ModelError
        The card counts other channels than its kind of input has.
    """
    made = list(_CHANNELS.get(card.input["kind"], _raw_frames)(card))
    if len(made) != card.in_channels:
        raise ModelError(
            f"the model '{card.name}' takes {card.in_channels} channels, its kind of input "
            f"'{card.input['kind']}' has {len(made)}",
            "was it made by another version of dlsim-ij?",
        )
    return made


def output_channels(card: ModelCard, n_channels: int) -> list[Channel]:
    """Name the images, then the half widths of their intervals."""
    n_images = n_channels // 2 if card.interval is not None else n_channels
    names = list(card.outputs)
    if not names:
        frames = frame_names(card)
        if n_images == 1:
            names = ["srrf" if is_blinking(card) else "image"]
        else:
            names = frames if n_images == len(frames) else [f"image{n}" for n in range(n_images)]
    images = [Channel(name, _MEANINGS.get(name, f"image '{name}'")) for name in names]
    if card.interval is None:
        return images
    percent = 100 * card.interval.level
    return images + [
        Channel(f"{name}_half_width", f"half the width of the {percent:g} % interval of '{name}'")
        for name in names
    ]


_MEANINGS = {
    "wiener": "what a well set Wiener filter would show of the same stack without noise",
    "object": "the sample itself: no haze, no dark rims, brightness proportional to label",
    "srrf": "the SRRF image of a long series",
    "image": "the super-resolved image",
}


def _raw_frames(card: ModelCard) -> Iterator[Channel]:
    assert card.frames is not None
    names = frame_names(card)
    for number in card.frames.selection:
        yield Channel(names[number], f"raw frame {number} of {card.frames.total}, counted from 0")
    if card.frames.summary:
        yield Channel(f"{card.frames.summary}_of_frames", f"{card.frames.summary} of all frames")


def _wiener_channels(_: ModelCard) -> Iterator[Channel]:
    yield from _fine("wiener_sharp", "Wiener image, sharp setting")
    yield from _fine("wiener_soft", "Wiener image, soft setting")
    for angle in range(N_ANGLES):
        yield Channel(f"mean_a{angle}", f"mean of the frames of angle {angle}")


def _three_frames(card: ModelCard) -> Iterator[Channel]:
    images = {
        1: [("sharpened", "mean of the three frames, sharpened")],
        2: [
            ("joint_rl", "joint image of the three frames by Richardson and Lucy"),
            ("joint_ls", "joint image of the three frames by least squares"),
        ],
    }
    for name, meaning in images[len(input_kind(card.input["kind"]).fine)]:
        yield from _fine(name, meaning)
    for angle in range(N_ANGLES):
        yield Channel(f"a{angle}p0", f"first frame of angle {angle}")
    for angle in range(N_ANGLES):
        for order in range(1, MOST_ORDERS + 1):
            for wave, word in (("cos", "cosine"), ("sin", "sine")):
                yield Channel(
                    f"a{angle}p0_{wave}{order}", f"a{angle}p0 times the {word} of its pattern, order {order}"
                )


def _srrf_channels(_: ModelCard) -> Iterator[Channel]:
    for row in range(MAGNIFICATION):
        for column in range(MAGNIFICATION):
            yield Channel(
                f"srrf_y{row}x{column}",
                f"SRRF image, every {MAGNIFICATION}th pixel from row {row}, column {column}",
            )
    for number in range(N_FRAMES):
        yield Channel(f"frame{number}", f"frame {number} in the order of brightness, dimmest first")
    yield Channel("mean", "mean of the five frames")
    yield Channel("sd", "standard deviation of the five frames")


def _fine(name: str, meaning: str) -> Iterator[Channel]:
    """Name the four sub-grids of an image on the doubled grid."""
    for row, rows in enumerate(("even", "odd")):
        for column, columns in enumerate(("even", "odd")):
            yield Channel(f"{name}_y{row}x{column}", f"{meaning}: {rows} rows, {columns} columns")


_CHANNELS = {
    "raw-frames": _raw_frames,
    "wiener-channels": _wiener_channels,
    "three-frames": _three_frames,
    "srrf-channels": _srrf_channels,
}
