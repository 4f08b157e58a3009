"""The short form of fuzz.py, and the proof that it would notice."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fuzz
from fuzz_target import Target, WrongSuccess
from fuzz_targets import TARGETS

from dlsim_ij.errors import ImageError

HERE = Path(__file__).parent


def test_no_reader_is_surprised(tmp_path):
    count = str(10 * len(TARGETS))
    words = [sys.executable, HERE / "fuzz.py", "--count", count, "--keep", tmp_path / "failures"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(TARGETS)
    assert sum(int(line.split("taken")[1].split()[0]) for line in done.stdout.splitlines()) > 0


def refuse(message, hint):
    def feed(folder, data, good):
        raise ImageError(message, hint)

    return feed


def crash(folder, data, good):
    raise KeyError("shape")


def wrong(folder, data, good):
    raise WrongSuccess("no pixels")


def memory(folder, data, good):
    np.ones(300 << 20, np.float32).sum()


@pytest.mark.parametrize(
    ("feed", "kind"),
    [
        (lambda *_: None, "taken"), (refuse("it is damaged", "copy it"), "refused"), (crash, "traceback"),
        (refuse("it is damaged", None), "traceback"), (refuse("two\nlines", "hint"), "traceback"),
        (wrong, "wrong"), (memory, "memory"),
    ],
)  # fmt: skip
def test_the_harness_tells_them_apart(feed, kind, tmp_path):
    target = Target("one", lambda folder: [b"good"], lambda data, rng: data, feed)
    assert fuzz._one(target, tmp_path, b"bad", b"good")[0] == kind


def test_what_takes_long_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 0.05)

    def read(*_):
        begin = time.process_time()
        while time.process_time() - begin < 0.1:
            pass

    target = Target("one", lambda folder: [], lambda data, rng: data, read)
    assert fuzz._one(target, tmp_path, b"", b"")[0] == "slow"


def test_inputs_are_the_same_each_time():
    for target in TARGETS[:4]:
        assert fuzz._input(target, [b"a b c 1 2 3"], 5) == fuzz._input(target, [b"a b c 1 2 3"], 5)
