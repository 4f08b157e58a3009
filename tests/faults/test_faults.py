"""The short form of kill.py, faults.py and kill_training.py, and a test for what those have found."""

import asyncio
import logging
import os
import random
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import bombs
import faults
import kill
import kill_training
from disturbed import Ledger, batch_words, dlsim, images, make_stacks
from places import NotHere

from dlsim_ij.batch_job.drive import Drive, _Job
from dlsim_ij.batch_job.engines import _hand_in_again, _mend, _quiet
from dlsim_ij.errors import DlsimError, NoRoomError, OutputError
from dlsim_ij.files import atomic_path, refuse_existing, remove_leftovers


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    """Return raw stacks, what an undisturbed run makes of them, its seconds, and its folder."""
    folder = tmp_path_factory.mktemp("faults")
    raw, whole = make_stacks(folder / "raw", 4, 64), folder / "whole"
    begin = time.monotonic()
    done = dlsim(*batch_words(raw, whole, verb="recon"))
    assert done.returncode == 0, done.stderr
    return raw, images(whole), time.monotonic() - begin, whole


def test_a_batch_that_is_killed(stacks, tmp_path, monkeypatch):
    raw, truth, seconds, _ = stacks
    words = kill.batch_words
    monkeypatch.setattr(kill, "batch_words", lambda *given: words(*given, verb="recon"))
    row = kill.measure("all processes", 1, raw, tmp_path, truth, seconds, random.Random(0))
    assert row[1] == 1
    assert row[3:6] == [0, 0, 0]
    assert str(row[6]).startswith("0 (")


def test_the_harness_notices_what_is_wrong(stacks, tmp_path):
    _, truth, _, whole = stacks
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    ledger = Ledger(tmp_path, truth)
    ledger.settle()
    ledger.finish()
    assert (ledger.differ, ledger.twice, ledger.half, ledger.lost) == (0, 0, 0, 0)
    first, second = sorted(tmp_path.glob("*.tif"))[:2]
    os.utime(first)
    second.write_bytes(b"other")
    (tmp_path / ".x.12345678.part.tif").write_bytes(b"")
    ledger.settle()
    ledger.finish()
    assert (ledger.differ, ledger.twice, ledger.half) == (1, 2, 1)


def test_a_full_disk_stops_a_batch_and_fails_no_input(stacks, tmp_path):
    raw, truth, _, _ = stacks
    try:
        faults.full_disk(faults.Place(raw, truth, tmp_path))
    except NotHere as reason:
        pytest.skip(str(reason))


def test_the_disk_is_full_while_a_checkpoint_is_written(tmp_path):
    kill_training.make_data(tmp_path, steps=12)
    done = dlsim("train", "train.yaml", "-o", "whole", "-q", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    try:
        kill_training.full_disk(tmp_path)
    except NotHere as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", bombs.BOMBS)
def test_what_claims_more_than_it_holds_is_refused_early(name, tmp_path):
    found = bombs.defuse(name, tmp_path)
    assert found["told"] == "refused"
    assert found["seconds"] < bombs.LIMIT_SECONDS
    assert found["mib"] < bombs.LIMIT_MIB


def test_a_short_write_is_told_with_its_reason(tmp_path, monkeypatch):
    """numpy says '16384 requested and 940 written', without the reason."""

    def full(path, mode="r"):
        raise OSError(28, "No space left on device")

    def write():
        with atomic_path(tmp_path / "a.tif") as to:
            to.write_bytes(b"some")
            monkeypatch.setattr("builtins.open", full)
            raise OSError("16384 requested and 940 written")

    with pytest.raises(NoRoomError, match="No space left on device"):
        write()


def test_a_name_may_have_all_the_bytes_that_names_have(tmp_path):
    path = tmp_path / f"{'ä' * 125}.tif"  # 254 bytes
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"whole")
    temporary.write_bytes(b"half")  # as a kill leaves it
    remove_leftovers(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"whole"
    too_long = tmp_path / f"{'n' * 256}.tif"
    refuse_existing(too_long)  # was a traceback, and the end of the whole batch
    with pytest.raises(OutputError, match="File name too long"), atomic_path(too_long) as temporary:
        temporary.write_bytes(b"whole")


def drive(**more):
    """Return one with a client that does nothing."""
    client = SimpleNamespace(status="running", cancel=lambda futures: None, nthreads=lambda: {"a": 1})
    engine = SimpleNamespace(client=client, mend=lambda: None, where="here", memory_limit=None)
    manifest = SimpleNamespace(add=lambda row: None)
    stop = SimpleNamespace(signal=15, is_over=False)
    own = {"task": None, "manifest": manifest, "engine": engine, "deaths_allowed": 3, "stop": stop}
    return Drive(**own, tell=lambda state: None, **more)


def test_what_was_called_off_too_late_is_no_lost_scheduler(monkeypatch):
    monkeypatch.setattr(Drive, "_record", lambda *_, **__: None)
    one = drive()
    job = _Job(planned=None, number=0, attempts=0, future=SimpleNamespace(status="pending"))
    one._jobs, one._open = [job], {0: job}
    called_off = job.future
    one._withdraw()
    called_off.status = "cancelled"
    one._take_event({"begun": 0, "who": "host:1"})
    one._count()  # raised: the scheduler was lost
    assert one._open == {0: job}


def test_a_clock_that_is_set_back_ends_the_batch(monkeypatch):
    one = drive()
    one._look_at_clock()
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    with pytest.raises(DlsimError, match="was set back by 3600 s"):
        one._look_at_clock()


def test_keepers_that_dask_has_dismissed_are_replaced():
    from distributed.core import Status

    asked = []
    running = SimpleNamespace(status=Status.running)
    cluster = SimpleNamespace(workers={0: running}, sync=lambda call: asyncio.run(call()), scale=asked.append)
    _mend(cluster, 1)
    assert asked == []
    _mend(cluster, 2)  # the second is gone
    assert asked == [2]
    cluster.workers[1] = SimpleNamespace(status=Status.failed)
    _mend(cluster, 2)
    assert asked == [2, 2]
    assert cluster.workers == {0: running}


def test_jobs_that_dask_has_dismissed_are_handed_in_again():
    asked = []
    cluster = SimpleNamespace(workers={0: None}, scale=lambda jobs: asked.append(jobs))
    _hand_in_again(cluster, 1)
    assert asked == []
    _hand_in_again(cluster, 2)
    assert asked == [2]


def test_the_log_of_dask_is_quiet_when_a_scheduler_is_lost():
    import distributed  # noqa: F401  (gives some loggers levels of their own)

    with _quiet():
        for name in ("distributed.client", "distributed.core", "tornado.application"):
            assert not logging.getLogger(name).isEnabledFor(logging.ERROR), name
