r"""Train the networks of the seed one after the other, each for the same processor time, by both schedules.

    python benchmarks/seed_dataset.py seed_fields --fields 64
    python benchmarks/train_seed_networks.py seed_fields/dataset-wiener -o runs/seed --cpu-minutes 60

and for the matrix of structures

    for s in microtubules mitochondria adhesions actin; do
        python benchmarks/seed_dataset.py one/$s --structures $s --fields 200
        python benchmarks/train_seed_networks.py one/$s/dataset-wiener -o runs/seed-one/$s \
            --networks sim15 --schedules intended --cpu-minutes 60
    done

Run folders are OUTPUT/NAME-SCHEDULE, as paper_tables.py takes them. Give the same command again to go on
where it was stopped: finished runs are passed over, others resumed; a larger --cpu-minutes makes all
longer. The recipe is the seed's (batch 1, its loss and learning rates); channels_last and bfloat16 are ours
and only make it faster (--exact leaves them away). The learning rate falls after three epochs (snr: two).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from training_calls import call_all, training_call

NETWORKS = ("sim15", "sim3", "snr", "scunet", "sim15-low", "sim4", "sim4-max")
SCHEDULES = ("actual", "intended")
FAST = ("channels_last=true", "precision=bfloat16")


def command(given: argparse.Namespace, network: str, schedule: str) -> list[str]:
    """Return the call of dlsim; --set makes of a recipe what is wanted here."""
    settings = [
        f"data.options.dataset={given.dataset}", f"schedule.name=seed-{schedule}",
        f"max_cpu_minutes={given.cpu_minutes:g}", f"threads={given.threads}", "log_every=20",
        "checkpoint_every=50", *(() if given.exact else FAST), *given.set,
    ]  # fmt: skip
    return training_call(f"seed-{network}", given.output / f"{network}-{schedule}", settings)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/seed"))
    parser.add_argument("--cpu-minutes", type=float, required=True, help="of each network and schedule")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS[:5]))
    parser.add_argument("--schedules", nargs="+", choices=SCHEDULES, default=list(SCHEDULES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--exact", action="store_true", help="float32 in the usual layout, as the seed")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="further settings")
    parser.add_argument("--print", action="store_true", help="print the commands, run nothing")
    given = parser.parse_args()
    calls = (command(given, network, schedule) for schedule in given.schedules for network in given.networks)
    return call_all(calls, only_print=given.print)


if __name__ == "__main__":
    sys.exit(main())
