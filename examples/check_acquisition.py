"""Ask a raw stack what it is: shuffle the demo stack, find its order again, and measure light and camera.

    python examples/check_acquisition.py [FOLDER]

Prints what was found of the demo stack in three orders, and its light; writes check_acquisition.png,
which shows how the fifteen frames vary together, as they came and sorted.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import dlsim_ij as dlsim
from dlsim_ij.acquisition import arrange, detect_acquisition
from dlsim_ij.acquisition.brightness import equalise_frames, estimate_offset
from dlsim_ij.acquisition.order import frame_scatter

DEMO = Path(__file__).parent / "demo_raw.tif"


def together(frames: np.ndarray, cutoff_px: float) -> np.ndarray:
    """Return how much each pair of frames varies together, from -1 to 1."""
    signal = equalise_frames(frames, estimate_offset(frames))
    matrix = frame_scatter(signal, cutoff_px).total()
    spread = np.sqrt(np.diag(matrix))
    return matrix / np.outer(spread, spread)


def main(folder: Path = Path()) -> None:
    raw = dlsim.read_image(DEMO)
    frames, pixel_um = raw.values, raw.attrs["pixel_size_um"]
    phase_by_phase = np.arange(15).reshape(3, 5).T.ravel()
    shuffled = np.random.default_rng(7).permutation(15)
    for name, order in (("as it is", np.arange(15)), ("by phase", phase_by_phase), ("shuffled", shuffled)):
        found = detect_acquisition(frames[order], pixel_um)
        print(f"{name:10} {found.layout} {found.order:12} confidence {found.confidence:.2f}  {found.verdict}")
        again = detect_acquisition(arrange(frames[order], found), pixel_um)
        print(
            f"  sorted   {again.layout} {again.order:12} confidence {again.confidence:.2f}  {again.verdict}"
        )

    light = found.light
    print(
        f"{light.photons:.1f} photo-electrons in bright parts, {light.gain_adu_per_electron:.2f} counts each"
    )

    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    cutoff_px = found.optics.cutoff_px
    pictures = {"shuffled": frames[shuffled], "sorted": arrange(frames[shuffled], found)}
    for axes, (title, stack) in zip((left, right), pictures.items(), strict=True):
        shown = axes.imshow(together(stack, cutoff_px), vmin=-1, vmax=1, cmap="RdBu_r")
        axes.set(title=f"frames vary together: {title}", xlabel="frame", ylabel="frame")
    figure.colorbar(shown, ax=(left, right), label="correlation", shrink=0.8)
    figure.savefig(folder / "check_acquisition.png", dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path())
