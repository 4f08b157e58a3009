import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from dlsim_ij.datasets.pool import FieldPool
from dlsim_ij.errors import DataError


def _field(made, number, generation):
    made.append((number, generation))
    return _other_process(number, generation)


def _other_process(number, generation):
    value = np.full((1, 4, 4), 10 * number + generation, dtype=np.float32)
    return [(value, value), (value + 0.5, value + 0.5)]


def test_without_renewal_every_field_is_made_once():
    made = []
    pool = FieldPool(partial(_field, made), 3)
    for epoch in range(4):
        pool.start_epoch(epoch)
    assert made == [(0, 0), (1, 0), (2, 0)]
    assert pool.inputs[:, 0, 0, 0].tolist() == [0, 0.5, 10, 10.5, 20, 20.5]
    assert pool.inputs.dtype == pool.targets.dtype == np.float16


def test_an_epoch_renews_one_field_in_k():
    pool = FieldPool(_other_process, 4, renew_epochs=2)
    seen = []
    for epoch in range(4):
        pool.start_epoch(epoch)
        seen.append((pool.inputs[::2, 0, 0, 0] % 10).astype(int).tolist())
    pool.close()
    assert seen == [[0, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1], [1, 2, 1, 2]]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_epoch_is_the_same_whether_reached_or_resumed(workers):
    walked = FieldPool(_other_process, 3, renew_epochs=3, workers=workers)
    for epoch in range(6):
        walked.start_epoch(epoch)
    resumed = FieldPool(_other_process, 3, renew_epochs=3)
    resumed.start_epoch(5)
    walked.close(), resumed.close()
    np.testing.assert_array_equal(walked.inputs, resumed.inputs)
    np.testing.assert_array_equal(walked.targets, resumed.targets)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_workers_end_when_their_parent_is_killed(tmp_path):
    program = tmp_path / "parent.py"
    program.write_text(
        "import os, signal\n"
        "import numpy as np\n"
        "from dlsim_ij.datasets.pool import FieldPool\n"
        "def field(number, generation):\n"
        "    value = np.full((1, 2, 2), os.getpid(), dtype=np.float32)\n"
        "    open('worker.txt', 'w').write(str(os.getpid()))\n"
        "    return [(value, value)]\n"
        "if __name__ == '__main__':\n"
        "    FieldPool(field, 1, renew_epochs=1)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, str(program)], cwd=tmp_path, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    worker = Path(f"/proc/{(tmp_path / 'worker.txt').read_text()}/cmdline")
    end = time.monotonic() + 60
    while worker.exists() and b"spawn_main" in worker.read_bytes() and time.monotonic() < end:
        time.sleep(0.05)
    assert not worker.exists() or b"spawn_main" not in worker.read_bytes()


def _dies(number, generation):
    os._exit(3)


def test_a_process_that_dies_is_named():
    with pytest.raises(DataError, match="has died"):
        FieldPool(_dies, 2, renew_epochs=1)
