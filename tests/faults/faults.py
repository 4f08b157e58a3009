"""What may go wrong with a batch besides kills (kill.py): each fault made for real, and mended.

    python tests/faults/faults.py                         # 4 minutes
    python tests/faults/faults.py --only disk
    python tests/faults/faults.py --write docs/reliability.md

Each function here makes one fault and says what came of it; what must hold is asserted: inputs without
fault are done, and the same bytes as ever; nothing is half written; there is one line and a hint, and no
traceback; and when the fault is mended, the same command does the rest. tests/faults/test_faults.py has some
of them in CI.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from disturbed import (
    batch_words,
    dlsim,
    images,
    leftovers,
    make_stacks,
    say,
    start,
    states,
    wait_until,
    write_table,
)
from places import Disk, NotHere, like_everybody, other_time, small_disk

FULL = "No space left on device"
HEAD = ["fault", "exit code", "done, failed, left", "told", "then, the same command"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault happens: raw stacks, what an undisturbed run makes of them, an empty folder."""

    raw: Path
    truth: dict[str, bytes]
    folder: Path

    def copy(self, count: int = 99) -> Path:
        """Return a copy of (the first) inputs."""
        to = self.folder / "raw"
        to.mkdir()
        for path in sorted(self.raw.iterdir())[:count]:
            shutil.copy(path, to)
        return to


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a fault."""

    code: int
    counts: tuple[int, int, int]
    told: str
    then: str


def seen(code: int, out: Path, told: str, place: Place, then: str = "") -> Seen:
    """Check what must hold whatever has happened."""
    assert "Traceback" not in told, told
    lines = told.strip().splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    assert sum(line.startswith("hint: ") for line in lines) <= len(errors), told
    assert leftovers(out) == []
    wrong = [name for name, data in images(out).items() if place.truth.get(name, data) != data]
    assert wrong == []
    found = states(out)
    left = sum(n for state, n in found.items() if state not in ("done", "failed"))
    told_once = errors[0] if errors else (lines[-1] if lines else "")
    return Seen(code, (found["done"], found["failed"], left), _short(told_once, place), then)


def finish(raw: Path, out: Path, place: Place, *more: object, prefix: tuple[str, ...] = ()) -> str:
    """Call it again without the fault: all is done."""
    again = dlsim(*batch_words(raw, out, *more, verb="recon"), prefix=prefix)
    assert again.returncode == 0, again.stderr
    assert {name for name, data in place.truth.items() if images(out).get(name) == data} >= {
        f"{path.stem}_wiener.tif" for path in raw.iterdir() if f"{path.stem}_wiener.tif" in place.truth
    }
    assert leftovers(out) == []
    return "does the rest"


def _short(text: str, place: Place) -> str:
    for path in (place.folder, place.raw):
        text = text.replace(f"{path}/", "")
    return text.replace("|", "/")


def recon(raw: Path, out: Path, *more: object, workers: int = 1, **how: object):
    return dlsim(*batch_words(raw, out, *more, workers=workers, verb="recon"), **how)


def full_disk(place: Place) -> Seen:
    with small_disk(place.folder / "disk", "size=200k") as disk:
        out = disk.folder / "out"
        done = recon(place.raw, out)
        before = seen(done.returncode, out, done.stderr, place)
        assert (before.code, before.counts[1]) == (2, 0)
        assert min(before.counts[0], before.counts[2]) > 0
        assert FULL in done.stderr
        disk.change("size=8m")
        return _with(before, finish(place.raw, out, place))


def _refused_on_disk(
    place: Place,
    size: str,
    said: str,
    then: str,
    prepare: Callable[[Disk], object] = lambda _: None,
) -> Seen:
    """A disk on which nothing can be done, until it is made to change to `then`."""
    with small_disk(place.folder / "disk", size) as disk:
        out = disk.folder / "out"
        prepare(disk)
        done = recon(place.raw, out)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        before = seen(done.returncode, out, done.stderr, place)
        disk.change(then)
        return _with(before, finish(place.raw, out, place))


def disk_full_at_first(place: Place) -> Seen:
    return _refused_on_disk(place, "size=200k", FULL, "size=8m", lambda disk: disk.fill())


def no_inodes(place: Place) -> Seen:
    return _refused_on_disk(place, "size=8m,nr_inodes=9", FULL, "nr_inodes=1000")


def read_only_disk(place: Place) -> Seen:
    words = "Read-only file system"
    return _refused_on_disk(place, "size=8m", words, "rw", lambda disk: disk.change("ro"))


def read_only_folder(place: Place) -> Seen:
    out = place.folder / "out"
    out.mkdir()
    out.chmod(0o555)
    done = recon(place.raw, out, prefix=like_everybody())
    assert (done.returncode, "cannot be written" in done.stderr) == (2, True), done.stderr
    before = seen(done.returncode, out, done.stderr, place)
    out.chmod(0o755)
    return _with(before, finish(place.raw, out, place, prefix=like_everybody()))


def unreadable_file(place: Place) -> Seen:
    raw, out = place.copy(), place.folder / "out"
    bad = min(raw.iterdir())
    bad.chmod(0)
    done = recon(raw, out, prefix=like_everybody())
    assert (done.returncode, f"{bad.name} cannot be read: Permission denied" in done.stderr) == (1, True)
    before = seen(done.returncode, out, done.stderr, place)
    assert before.counts[1:] == (1, 0)
    bad.chmod(0o644)
    return _with(before, finish(raw, out, place, prefix=like_everybody()))


def vanished_input(place: Place) -> Seen:
    raw, out = place.copy(), place.folder / "out"
    last = max(raw.iterdir())
    process = start(*batch_words(raw, out, workers=1, verb="recon"))
    wait_until(lambda: states(out)["running"] or states(out)["done"], "work")
    data = last.read_bytes()
    last.unlink()
    _, told = process.communicate(timeout=200)
    assert (process.returncode, f"{last.name} cannot be read: No such file" in told) == (1, True), told
    before = seen(process.returncode, out, told, place)
    assert before.counts[1:] == (1, 0)
    last.write_bytes(data)
    return _with(before, finish(raw, out, place))


def long_name(place: Place) -> Seen:
    raw, out = place.copy(), place.folder / "out"
    first = min(raw.iterdir())
    long = raw / f"{'n' * 251}.tif"
    fits = raw / f"{'m' * 240}.tif"  # 251 with what outputs have behind their stem
    shutil.copy(first, long)
    shutil.copy(first, fits)
    done = recon(raw, out)
    assert (done.returncode, "File name too long" in done.stderr) == (1, True), done.stderr
    assert images(out)[f"{fits.stem}_wiener.tif"] == place.truth[f"{first.stem}_wiener.tif"]
    before = seen(done.returncode, out, done.stderr.replace("n" * 251, "nnn..."), place)
    assert before.counts[1:] == (1, 0)
    long.rename(raw / "short.tif")
    return _with(before, finish(raw, out, place))


def out_of_memory(place: Place) -> Seen:
    """One large stack among small ones, with the work that needs a model."""
    from dlsim_ij.images import read_image, write_image

    raw, out = place.copy(3), place.folder / "out"
    small = read_image(min(raw.iterdir())).values
    write_image(raw / "large.tif", np.tile(small.reshape(15, *small.shape[-2:]), (1, 24, 24)))
    words = ["batch", raw, "-o", out, "--verb", "predict", "--workers", 1, "--attempts", 2, "-q"]
    done = dlsim(*words, "--memory-limit", "600MB", "--force")
    assert (done.returncode, "used more than its memory limit" in done.stderr) == (1, True), done.stderr
    before = seen(done.returncode, out, done.stderr, place)
    assert before.counts == (3, 1, 0)
    again = dlsim(*words, "--memory-limit", "4GB", "--retry-failed", "--force")
    assert again.returncode == 0, again.stderr
    assert states(out) == {"done": 4}
    return _with(before, "with --memory-limit 4GB and --retry-failed does the rest")


def clock_forward(place: Place) -> Seen:
    code, told, out = _with_clock(place, 33)
    assert code == 0, told
    before = seen(code, out, told, place)
    assert before.counts == (len(place.truth), 0, 0)
    plan = dlsim(*batch_words(place.folder / "raw", out, "--dry-run", verb="recon"))
    assert "to do" not in plan.stdout
    return _with(before, "has nothing to do")


def clock_back(place: Place) -> Seen:
    code, told, out = _with_clock(place, -395)
    assert (code, "was set back by 3412" in told) == (2, True), told
    return _with(seen(code, out, told, place), finish(place.folder / "raw", out, place))


def _with_clock(place: Place, days: int) -> tuple[int, str, Path]:
    """Do a batch in the middle of which the clock jumps."""
    raw, out = place.copy(), place.folder / "out"
    clock, variables = other_time(place.folder)
    process = start(*batch_words(raw, out, verb="recon"), env=variables)
    wait_until(lambda: states(out)["done"], "work")
    beside = clock.with_suffix(".new")
    beside.write_text(str(days * 86400))
    beside.replace(clock)
    _, told = process.communicate(timeout=200)
    return process.returncode, told, out


def two_at_once(place: Place) -> Seen:
    raw, out = place.copy(), place.folder / "out"
    process = start(*batch_words(raw, out, workers=1, verb="recon"))
    wait_until(lambda: states(out)["waiting"], "the first of the two")
    second = recon(raw, out)
    assert (second.returncode, "another dlsim batch is at work" in second.stderr) == (2, True), second.stderr
    _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    return seen(2, out, second.stderr, place, finish(raw, out, place))


def preempted(place: Place) -> Seen:
    raw, out = place.copy(), place.folder / "out"
    process = start(*batch_words(raw, out, workers=1, verb="recon"))
    wait_until(lambda: states(out)["done"], "work")
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)
    _, told = process.communicate(timeout=200)
    seconds = time.monotonic() - begin
    assert process.returncode == 143, told
    before = seen(process.returncode, out, told, place)
    assert before.counts[1] == 0
    return _with(before, f"(it ended after {seconds:.1f} s) {finish(raw, out, place)}")


def _with(before: Seen, then: str) -> Seen:
    return Seen(before.code, before.counts, before.told, then)


FAULTS: dict[str, Callable[[Place], Seen]] = {
    "disk full in the middle (tmpfs of 200 kB)": full_disk,
    "disk full from the start": disk_full_at_first,
    "no more files on the disk (9 inodes)": no_inodes,
    "output on a read-only disk": read_only_disk,
    "output folder that may not be written": read_only_folder,
    "an input that may not be read": unreadable_file,
    "an input vanishes after the plan was made": vanished_input,
    "a name that leaves no room for the outputs' ends": long_name,
    "out of memory: 1536 x 1536 among 64 x 64, --memory-limit 600MB": out_of_memory,
    "the clock jumps by +33 days": clock_forward,
    "the clock jumps by -395 days": clock_back,
    "a second call while the first works": two_at_once,
    "SIGTERM to all processes": preempted,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="faults with this in their name")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    given = parser.parse_args()
    table_rows, bad = [], 0
    with tempfile.TemporaryDirectory(prefix="dlsim-faults-") as name:
        folder = Path(name)
        raw = make_stacks(folder / "raw", 8, 64)
        done = dlsim(*batch_words(raw, folder / "whole", verb="recon"))
        assert done.returncode == 0, done.stderr
        truth = images(folder / "whole")
        for number, (what, make) in enumerate(FAULTS.items()):
            if given.only not in what:
                continue
            place = Place(raw, truth, folder / str(number))
            place.folder.mkdir()
            try:
                found = make(place)
            except NotHere as reason:
                table_rows.append([what, "", "", f"not tried here: {reason}", ""])
            except AssertionError as error:
                bad += 1
                table_rows.append([what, "", "", f"FAILED: {str(error).splitlines()[0][:200]}", ""])
                say(f"{what}: {error}")
            else:
                counts = ", ".join(map(str, found.counts))
                table_rows.append([what, str(found.code), counts, found.told, found.then])
            say(" | ".join(table_rows[-1]))
    write_table(given.write, "faults", HEAD, table_rows)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
