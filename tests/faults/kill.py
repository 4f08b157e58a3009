"""Kill -9 at random moments of a batch, until it is done: what is lost, done twice or half written.

    python tests/faults/kill.py                                  # 100 kills, 25 minutes on two cores
    python tests/faults/kill.py --kills 4 --only scheduler
    python tests/faults/kill.py --write docs/reliability.md

A batch of small stacks is killed, and called again with the same words, some times; then it is left to end.
What may be killed: one of its workers (several in one call), the process that was called (its workers are
orphans then), the whole group of processes, and, of a Dask cluster that the batch uses through --scheduler,
a worker or the scheduler. Meanwhile somebody reads the manifest every 30 ms. At the end the outputs must be
those of an undisturbed run byte for byte, and nothing may have been begun that was done.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import disturbed
from cluster import Cluster, wait_for_end
from disturbed import (
    Ledger,
    Reader,
    batch_words,
    dlsim,
    images,
    kill,
    make_stacks,
    say,
    start,
    workers_of,
    write_table,
)

STACKS, KILLS_OF_ONE = 12, 6
HEAD = ["killed", "kills", "batches", "outputs that differ", "done twice", "half written",
        "manifest unreadable (of reads)", "attempts lost"]  # fmt: skip


class Batch:
    """One output folder, from its first call to its last."""

    def __init__(self, raw: Path, out: Path, truth: dict[str, bytes], seconds: float, rng: random.Random):
        self.raw, self.out, self.seconds, self.rng = raw, out, seconds, rng
        self.kills, self.codes = 0, list[int]()
        self.ledger = Ledger(out, truth)
        self.reader = Reader(out)
        self.orphans: list[int] = []
        self.noticed: list[float] = []  # seconds until the loss of the scheduler was told

    def moment(self) -> float:
        """Return seconds until a kill, some in the start of a run and some in its work."""
        return self.rng.uniform(0, 0.8 * self.seconds)

    def call(self, *more: object) -> object:
        return start(*batch_words(self.raw, self.out, *more))

    def ended(self, process, code: int | None = None) -> None:
        """Note how a call has ended, and wait for its orphans."""
        _, said = process.communicate(timeout=disturbed.PATIENCE_SECONDS)
        if "Traceback" in said or (code is not None and process.returncode != code):
            raise AssertionError(f"exit code {process.returncode}: {said}")
        self.codes.append(process.returncode)
        self.ledger.settle()

    def until_done(self) -> None:
        """Call it a last time, undisturbed."""
        self.ended(self.call(), 0)
        for pid in self.orphans:
            disturbed.wait_until(lambda pid=pid: not disturbed.is_alive(pid), "the end of an orphan", 60)
        self.ledger.finish()


def kill_workers(batch: Batch, count: int) -> None:
    """Kill one worker after another of a call."""
    while batch.kills < count:
        process = batch.call()
        while process.poll() is None and batch.kills < count:
            time.sleep(batch.moment() / 2)
            victims = workers_of(process.pid)
            if victims and process.poll() is None:
                kill(batch.rng.choice(victims))
                batch.kills += 1
        batch.ended(process, 0)
        if process.returncode == 0:
            return


def kill_the_run(batch: Batch, count: int) -> None:
    """Kill the process that was called, and go on at once, beside its orphans."""
    _kill_calls(batch, count, lambda process: kill(process.pid))


def kill_all(batch: Batch, count: int) -> None:
    """Kill the group of processes, as a machine that loses its power does."""
    _kill_calls(batch, count, lambda process: os.killpg(process.pid, signal.SIGKILL))


def _kill_calls(batch: Batch, count: int, strike: Callable[[object], None]) -> None:
    while batch.kills < count:
        process = batch.call()
        time.sleep(batch.moment())
        if process.poll() is None:
            batch.orphans += workers_of(process.pid)
            strike(process)
            batch.kills += 1
        finished = process.wait() == 0
        batch.ended(process)
        if finished:
            return


def kill_cluster_workers(batch: Batch, count: int) -> None:
    """Kill workers of a running cluster; its own keeper starts another."""
    with Cluster(batch.out.with_name(f"{batch.out.name}.cluster")) as cluster:
        process = start(*cluster.batch_words(batch.raw, batch.out))
        while process.poll() is None and batch.kills < count:
            time.sleep(batch.moment() / 2)
            victims = cluster.working()
            if victims and process.poll() is None:
                kill(batch.rng.choice(victims))
                batch.kills += 1
        batch.ended(process, 0)


def kill_scheduler(batch: Batch, count: int) -> None:
    """Kill the scheduler of a running cluster, and start the cluster anew."""
    while batch.kills < count:
        with Cluster(batch.out.with_name(f"{batch.out.name}.cluster{batch.kills}")) as cluster:
            process = start(*cluster.batch_words(batch.raw, batch.out))
            time.sleep(batch.moment())
            if process.poll() is None:
                kill(cluster.scheduler.pid)
                batch.kills += 1
                batch.noticed.append(wait_for_end(process, disturbed.PATIENCE_SECONDS))
                batch.ended(process)
                if batch.codes[-1] not in (0, 2):
                    raise AssertionError(f"exit code {batch.codes[-1]} after the scheduler was lost")
            else:
                batch.ended(process, 0)
            if batch.codes[-1] == 0:
                return


KINDS: dict[str, tuple[Callable[[Batch, int], None], int]] = {
    "a worker": (kill_workers, 30),
    "the process that was called": (kill_the_run, 25),
    "all processes": (kill_all, 25),
    "a worker of --scheduler": (kill_cluster_workers, 8),
    "the scheduler of --scheduler": (kill_scheduler, 12),
}


def measure(kind: str, kills: int, raw: Path, folder: Path, truth: dict[str, bytes], seconds: float,
            rng: random.Random) -> list[object]:  # fmt: skip
    """Deal `kills` over as many batches as it takes; return a row of the table."""
    work, _ = KINDS[kind]
    dealt, batches = 0, list[Batch]()
    while dealt < kills:
        batch = Batch(raw, folder / f"{kind.replace(' ', '_')}_{len(batches)}", truth, seconds, rng)
        batch.reader.start()
        work(batch, min(KILLS_OF_ONE, kills - dealt))
        batch.until_done()
        batch.reader.stop()
        batches.append(batch)
        dealt += batch.kills
        say(f"  {kind}: {dealt} kills, exit codes {batch.codes}, {batch.ledger.lost} attempts lost")
        if batch.noticed:
            say(f"    scheduler lost: told after {', '.join(f'{s:.0f}' for s in batch.noticed)} s")
        for wrong in batch.reader.wrong[:3]:
            say(f"    manifest: {wrong}")
    books = [batch.ledger for batch in batches]
    unread = sum(len(batch.reader.wrong) for batch in batches)
    return [
        kind, dealt, len(batches), sum(b.differ for b in books), sum(b.twice for b in books),
        sum(b.half for b in books), f"{unread} ({sum(batch.reader.reads for batch in batches)})",
        sum(b.lost for b in books),
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="kinds with this in their name")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    given = parser.parse_args()
    chosen = {kind: share for kind, (_, share) in KINDS.items() if given.only in kind}
    rows = []
    with tempfile.TemporaryDirectory(prefix="dlsim-kill-") as name:
        folder = Path(name)
        raw = make_stacks(folder / "raw", STACKS)
        begin = time.monotonic()
        done = dlsim(*batch_words(raw, folder / "whole"))
        seconds = time.monotonic() - begin
        assert done.returncode == 0, done.stderr
        truth = images(folder / "whole")
        say(f"undisturbed: {seconds:.1f} s")
        for kind, share in chosen.items():
            kills = max(1, round(given.kills * share / sum(chosen.values())))
            rng = random.Random(f"{given.seed} {kind}")
            rows.append(measure(kind, kills, raw, folder, truth, seconds, rng))
            say(" | ".join(map(str, rows[-1])))
    write_table(given.write, "kills", HEAD, [[str(cell) for cell in row] for row in rows])
    bad = sum(int(row[index]) for row in rows for index in (3, 4, 5)) + sum(
        int(str(row[6]).split()[0]) for row in rows
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
