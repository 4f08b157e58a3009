"""Time the start of `dlsim`: what a user waits before anything happens.

python benchmarks/startup.py [--json] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

CALLS = {
    "python alone": ["-c", "pass"],
    "import dlsim_ij": ["-c", "import dlsim_ij"],
    "dlsim --help": ["-m", "dlsim_ij", "--help"],
    "dlsim run --help": ["-m", "dlsim_ij", "run", "--help"],
    "dlsim models": ["-m", "dlsim_ij", "models"],
    "dlsim doctor": ["-m", "dlsim_ij", "doctor"],
    "import of torch and the model": ["-c", "from dlsim_ij.inference import load_model; load_model('sim15')"],
    "import torch": ["-c", "import torch"],
}


def seconds(words: list[str]) -> float:
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode not in (0, 1):  # doctor says 1 where something is missing
        raise SystemExit(done.stderr)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the start of dlsim.")
    parser.add_argument("--json", action="store_true", help="JSON Lines")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for name, words in CALLS.items():
        times = sorted(seconds(words) for _ in range(options.repeats))
        row = {"what": name, "best_s": round(times[0], 3), "median_s": round(times[len(times) // 2], 3)}
        print(json.dumps(row) if options.json else "{what:32} {best_s:7.3f} {median_s:7.3f}".format(**row))


if __name__ == "__main__":
    main()
