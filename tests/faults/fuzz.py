"""Feed damaged files and texts to every reader: a clear refusal, or a result that can be; nothing else.

    python tests/faults/fuzz.py                              # 10,000 inputs, the same ones each time
    python tests/faults/fuzz.py --count 200 --only TIFF      # of one reader
    python tests/faults/fuzz.py --first 100000 --count 50000 # others
    python tests/faults/fuzz.py --write docs/reliability.md

An input fails if it raises anything but a refusal of ours with its hint, takes more than 10 s of processor
time, needs more than 1 GiB of memory, ends its process, or is taken for something it cannot be
(fuzz_images.py and its like say what). What happened with failing inputs is kept in fuzz_failures/. The
readers run in a process of their own, which is killed if it hangs, and another goes on with the next input.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_target import ROOT, Target, WrongSuccess
from fuzz_targets import TARGETS

SECONDS, MEMORY_GIB = 10.0, 1.0
KINDS = ("refused", "taken", "traceback", "slow", "memory", "died", "wrong")


def _resident_kib(name: str) -> int:
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{name}:")[2].split(maxsplit=1)[0])


def _one(target: Target, folder: Path, data: bytes, good: bytes) -> tuple[str, str]:
    from dlsim_ij.errors import DlsimError

    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, begin = _resident_kib("VmRSS"), time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            target.feed(folder, data, good)
        kind, said = "taken", ""
    except DlsimError as error:
        kind, said = "refused", str(error)
        if not error.hint or "\n" in error.message or "\n" in error.hint:
            kind = "traceback"  # a refusal that is not one line and a hint
    except target.refusals as error:
        kind, said = "refused", str(error)
    except WrongSuccess as error:
        kind, said = "wrong", str(error)
    except BaseException:
        kind, said = "traceback", traceback.format_exc()
    if time.process_time() - begin > SECONDS:
        kind, said = "slow", f"{time.process_time() - begin:.1f} s; {said}"
    elif (_resident_kib("VmHWM") - before) / 2**20 > MEMORY_GIB:
        kind, said = "memory", f"{(_resident_kib('VmHWM') - before) / 2**20:.2f} GiB; {said}"
    return kind, said


def _input(target: Target, seeds: list[bytes], number: int) -> tuple[bytes, bytes]:
    rng = random.Random(f"{target.name} {number}")
    good = rng.choice(seeds)
    return target.mutate(good, rng), good


def work(name: str, numbers: range, folder: Path) -> None:
    """Feed inputs to one reader, and say of each what came of it, line by line."""
    target = next(each for each in TARGETS if each.name == name)
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what libraries print
    seeds = target.seeds(folder)
    for good in seeds:
        target.feed(folder, good, good)  # what is good is taken, or the rest proves nothing
    # a bomb ends this process, not the machine
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + (8 << 30), resource.getrlimit(resource.RLIMIT_AS)[1]))
    for number in numbers:
        print(json.dumps({"number": number}), file=said)
        data, good = _input(target, seeds, number)
        kind, text = _one(target, folder, data, good)
        print(json.dumps({"number": number, "kind": kind, "said": text}), file=said)


def fuzz(target: Target, numbers: range, keep: Path | None) -> tuple[Counter[str], list[str]]:
    """Feed all `numbers` to a reader; return how often what happened, and a line for each failure."""
    counts: Counter[str] = Counter()
    failures: list[str] = []

    def note(number: int, kind: str, said: str) -> None:
        counts[kind] += 1
        if kind in ("refused", "taken"):
            return
        failures.append(f"{target.name} {number}: {kind}: {said.strip().splitlines()[-1:]}")
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            stem = f"{target.name.split()[0]}_{number}".replace("/", "_")
            (keep / f"{stem}.txt").write_text(f"{target.name} {number}: {kind}\n{said}\n")

    left = numbers
    while left:
        with tempfile.TemporaryDirectory() as name:
            words = [sys.executable, __file__, "--child", target.name, str(left.start), str(left.stop), name]
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
                assert child.stdout is not None
                assert child.stderr is not None
                open_number = None
                done = left.start
                alarm = threading.Timer(6 * SECONDS + 60, child.kill)
                alarm.start()
                for line in child.stdout:
                    alarm.cancel()
                    told = json.loads(line)
                    if "kind" in told:
                        note(told["number"], told["kind"], told["said"])
                        open_number, done = None, told["number"] + 1
                    else:
                        open_number = told["number"]
                    alarm = threading.Timer(6 * SECONDS, child.kill)
                    alarm.start()
                alarm.cancel()
                errors = child.stderr.read()
                code = child.wait()
            if open_number is not None:
                note(open_number, "died", f"the process ended with {code}: {errors[-2000:]}")
                done = open_number + 1
            elif code:
                raise SystemExit(f"{target.name}: the harness failed: {errors[-3000:]}")
            left = range(done, left.stop)
    return counts, failures


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="inputs of all readers together")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", default="", help="readers with this in their name")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"))
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    given = parser.parse_args()
    chosen = [target for target in TARGETS if given.only in target.name]
    rows, bad = [], 0
    for target in chosen:
        begin = time.perf_counter()
        count = -(-given.count // len(chosen))
        counts, failures = fuzz(target, range(given.first, given.first + count), given.keep)
        bad += len(failures)
        rows.append([target.name, *(str(counts[kind]) for kind in KINDS)])
        seconds = time.perf_counter() - begin
        numbers = " ".join(f"{kind} {counts[kind]:5}" for kind in KINDS)
        _say(f"{target.name:36} {numbers} {seconds:4.0f} s", *(f"    {line}" for line in failures[:10]))
    if given.write is not None:
        sys.path.insert(0, str(ROOT / "benchmarks"))
        from doc_tables import put, table

        put(given.write, "fuzz", table(["input", *KINDS], rows))
    return 1 if bad else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        work(sys.argv[2], range(int(sys.argv[3]), int(sys.argv[4])), Path(sys.argv[5]))
    else:
        sys.exit(main())
