"""Tune a model to your microscope, without ground truth.

    python examples/train_like.py [RAW] [FOLDER] [MINUTES]

RAW is a raw SIM stack that knows its pixel size (without it, the demo's). Fits the simulator to it, trains
`sim15` on for that microscope, and measures both on simulated stacks that were held out and against the raw
frames. FOLDER gets proof.md, proof.png and, if it got better, the model. Without MINUTES it takes two steps
on two fields, which shows the way and makes nothing better: give 18 for a real tuning.
"""

import sys
from pathlib import Path

from dlsim_ij.tuning_job import TuneRequest, prepare, tune

DEMO = Path(__file__).parent / "demo_raw.tif"
SHORT = {
    "steps": 2, "batch_size": 2, "patch_px": 32, "data.options.fields": 2, "data.options.field_px": 64,
    "data.options.renew_epochs": None, "data.options.proof_fields": 1, "precision": "float32",
}  # fmt: skip


def main(raw: Path = DEMO, folder: Path = Path("tuned"), minutes: float | None = None) -> None:
    time = {"overrides": SHORT} if minutes is None else {"minutes": minutes}
    prepared = prepare(TuneRequest(raws=(raw,), output=folder, **time))
    for stack in prepared.stacks:
        seen = stack.fit.conditions
        light = f"{seen.photons:.1f} photo-electrons"
        print(f"{stack.name}: {light}, damping {seen.otf_damping:.2f}, haze {seen.haze:.2f}")
    found = tune(prepared, tell=print)
    for sentence in found.sentences:
        print(sentence)
    print(f"kept as {found.model_dir}" if found.accepted else "not better, not kept")


if __name__ == "__main__":
    words = sys.argv[1:]
    main(*(Path(word) for word in words[:2]), *(float(word) for word in words[2:3]))
