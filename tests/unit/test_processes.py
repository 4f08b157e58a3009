"""Work in processes beside this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from dlsim_ij.errors import DlsimError, ImageError
from dlsim_ij.processes import available_processors, map_in_processes


class Square:
    """Squares numbers; later ones faster, so that answers arrive out of order."""

    def __init__(self, wait_s=0.0):
        self.wait_s, self.calls = wait_s, 0

    def __call__(self, number):
        self.calls += 1
        time.sleep(self.wait_s / (number + 1))
        return number**2, os.getpid(), self.calls, os.environ["OPENBLAS_NUM_THREADS"]


def fail(number):
    if number == 2:
        raise ImageError("plane 2 is bad", "leave it out")
    return number


def divide(number):
    return 1 / number


def leave(number):
    os._exit(1)


def test_answers_come_in_the_order_of_the_jobs_from_other_processes():
    answers = list(map_in_processes(Square(0.2), range(8), 2))
    assert [answer[0] for answer in answers] == [n**2 for n in range(8)]
    workers = {answer[1] for answer in answers}
    assert len(workers) == 2
    assert os.getpid() not in workers
    assert {answer[3] for answer in answers} == {"1"}
    # what the function keeps, it keeps in its process
    assert sum(max(a[2] for a in answers if a[1] == worker) for worker in workers) == 8


def test_no_more_processes_than_jobs():
    assert len({answer[1] for answer in map_in_processes(Square(), [5], 3)}) == 1
    assert list(map_in_processes(Square(), [], 3)) == []


def test_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    list(map_in_processes(Square(), [1], 1))
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_a_refusal_comes_home_after_the_answers_before_it():
    answers = map_in_processes(fail, range(5), 2)
    assert [next(answers), next(answers)] == [0, 1]
    with pytest.raises(ImageError, match="plane 2 is bad") as caught:
        next(answers)
    assert caught.value.hint == "leave it out"


def test_a_bug_brings_the_traceback_of_its_process():
    with pytest.raises(ZeroDivisionError) as caught:
        list(map_in_processes(divide, [0], 1))
    assert "in divide" in caught.value.__notes__[0]


def test_a_process_that_dies_is_one_clear_line():
    with pytest.raises(DlsimError, match="ended from outside"):
        list(map_in_processes(leave, range(3), 2))


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rsplit(")", 1)[1].split()[0] != "Z"


def gone(pids, seconds=10):
    until = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_the_processes_end_when_nobody_asks_any_more():
    answers = map_in_processes(Square(), range(100), 2)
    pids = {next(answers)[1] for _ in range(20)}
    answers.close()
    assert gone(pids)


PROGRAM = """
import os, time
from dlsim_ij.processes import map_in_processes
def work(number):
    return os.getpid()
if __name__ == "__main__":
    answers = map_in_processes(work, range(1000), 2)
    print(next(answers), next(answers), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_processes_end_with_their_caller_however_it_dies(number, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    caller = subprocess.Popen(
        [sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    pids = set(map(int, caller.stdout.readline().split()))
    assert all(map(alive, pids))
    if number == signal.SIGINT:
        os.killpg(caller.pid, number)  # as Ctrl-C does: to all of them
    else:
        caller.send_signal(number)
    _, err = caller.communicate(timeout=20)
    assert err.count("Traceback") == (number == signal.SIGINT)  # the caller's own
    assert gone(pids)


def test_the_number_of_processors():
    assert 1 <= available_processors() <= os.cpu_count()
