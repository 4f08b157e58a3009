"""Our own Xvfb: a free number, an end in every case."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dlsim_ij.errors import FijiError
from dlsim_ij.fiji import display


def answers_soon(name, wanted, seconds=5.0):
    end = time.monotonic() + seconds
    while display._answers(name) is not wanted and time.monotonic() < end:
        time.sleep(0.05)
    return display._answers(name)


def test_two_displays_have_two_numbers_and_both_end():
    first, second = display.VirtualDisplay(), display.VirtualDisplay()
    names = first.start(), second.start()
    pids = first.pid, second.pid
    assert names[0] != names[1]
    assert all(display._answers(name) for name in names)
    first.stop()
    second.stop()
    assert not any(answers_soon(name, False) for name in names)
    for pid in pids:
        with pytest.raises(ProcessLookupError):  # collected, so no zombie either
            os.kill(pid, 0)


def test_a_display_that_does_not_answer_is_none(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":4711")
    assert not display.has_display()
    monkeypatch.setenv("DISPLAY", "nonsense")
    assert not display.has_display()


def test_an_xvfb_that_fails_is_reported_in_its_own_words(tmp_path, monkeypatch):
    program = tmp_path / "Xvfb"
    program.write_text("#!/bin/sh\necho 'Fatal server error: no memory' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(FijiError, match="Xvfb did not start: Fatal server error: no memory"):
        display.VirtualDisplay().start()


def test_without_xvfb_the_hint_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert not display.can_make_display()
    with pytest.raises(FijiError, match="not installed") as caught:
        display.VirtualDisplay().start()
    assert caught.value.hint == "apt install xvfb"


def test_it_ends_with_a_killed_client():
    """-terminate: when the last client is gone, so is the server; here the client is killed."""
    server = display.VirtualDisplay()
    name = server.start()
    code = (
        "import socket, struct, time\n"
        f"s = socket.socket(socket.AF_UNIX); s.connect('/tmp/.X11-unix/X{name[1:]}')\n"
        "s.sendall(struct.pack('<BxHHHHxx', 0x6c, 11, 0, 0, 0)); s.recv(8)\n"
        "print('connected', flush=True); time.sleep(60)\n"
    )
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert client.stdout.readline() == b"connected\n"
        client.send_signal(signal.SIGKILL)
        client.wait()
        client.stdout.close()
        assert server._server.wait(10) == 0
    finally:
        client.kill()
        server.stop()
