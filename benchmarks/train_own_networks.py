"""Train the package's recipes for no more processor time than the seed's networks get in the paper's tables.

    python benchmarks/train_own_networks.py -o runs/own-short --cpu-minutes 10

The first stage of configs/NAME.yaml alone, with squared errors as in the second, from random weights
(`lowlight`, too, which otherwise starts from `sim15`). Its simulated fields come from another process and are
not counted, as the making of the seed's dataset is not. The steps are as many as the minutes allow at a pace
that is a third below the one measured, so that the learning rate has fallen when they are over also where a
core is slower: in the tables, 10 minutes became 5 to 7 (`cpu_seconds` in the checkpoints).
Run folders are OUTPUT/NAME, as paper_tables.py --own-runs takes them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from training_calls import call_all, training_call

CONFIGS = Path(__file__).parents[1] / "configs"
PIXELS_PER_SECOND = 92_000  # seconds of processor time; bfloat16 with AVX-512: 139,000 to 191,000
PATCHES_PX = {"sim15": 56, "sim3": 56, "lowlight": 64}
BATCH = 8


def command(name: str, given: argparse.Namespace) -> list[str]:
    """Return the call of dlsim that trains one network."""
    steps = int(60 * given.cpu_minutes * given.pixels_per_second / (BATCH * PATCHES_PX[name] ** 2))
    settings = [
        f"steps={steps}", f"max_cpu_minutes={given.cpu_minutes:g}", "network.initial=null",
        "loss=relative-l2", "optimiser.lr=2e-3", "log_every=100", *given.set,
    ]  # fmt: skip
    return training_call(str(CONFIGS / f"{name}.yaml"), given.output / name, settings)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/own-short"))
    parser.add_argument("--cpu-minutes", type=float, required=True, help="of each network")
    parser.add_argument("--names", nargs="+", choices=list(PATCHES_PX), default=list(PATCHES_PX))
    parser.add_argument("--pixels-per-second", type=float, default=PIXELS_PER_SECOND)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="further settings")
    given = parser.parse_args()
    return call_all(command(name, given) for name in given.names)


if __name__ == "__main__":
    sys.exit(main())
