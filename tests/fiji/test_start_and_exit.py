"""Java and the virtual display start, and end with Python, however it ends. Each test is a fresh process."""

import os
import signal
import subprocess
import sys
import time
import zipfile

import pytest

pytestmark = pytest.mark.jvm


def xvfb_pids(of_process):
    found = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(of_process)], capture_output=True, text=True
    )
    return [int(line.split()[0]) for line in found.stdout.splitlines() if "Xvfb" in line]


def is_running(pid):
    status = f"/proc/{pid}/stat"
    if not os.path.exists(status):
        return False
    with open(status) as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def ended(pid, seconds=10.0):
    end = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not is_running(pid)


@pytest.mark.parametrize("display", ["Xvfb", "headless"])
def test_it_exits_soon_after_a_blur_with_its_own_exit_code(display, run_script, path_without_xvfb):
    """ImageJ's filter threads would keep the process alive for ever."""
    code = """
        from jpype import JClass
        processor = fiji.to_imageplus(IMAGE).getProcessor()
        JClass("ij.plugin.filter.GaussianBlur")().blurGaussian(processor, 2.0, 2.0, 0.01)
        JClass("ij.plugin.filter.RankFilters")().rank(processor, 2.0, 4)
        import logging
        logger = logging.getLogger("dlsim_ij.fiji.shutdown")  # it would name threads that did not end
        logger.setLevel(logging.INFO)
        logger.addHandler(logging.StreamHandler())
        print(launch.session().headless, launch.session().preferences, time.time())
        sys.exit(7)
    """
    rc, out, err = run_script(code, **({"PATH": path_without_xvfb} if display == "headless" else {}))
    assert (rc, err) == (7, "")
    headless, preferences, finished = out.split()
    assert headless == str(display == "headless")
    assert time.time() - float(finished) < 5
    assert not os.path.exists(preferences)


def test_a_java_thread_that_never_ends_does_not_keep_python(run_script):
    code = """
        import jpype
        thread = jpype.JClass("java.lang.Thread")
        run = lambda: thread.sleep(600_000)
        thread(jpype.JProxy("java.lang.Runnable", dict={"run": run})).start()
        fiji.run_command("Gaussian Blur...", "sigma=2", IMAGE)
        sys.exit(3)
    """
    rc, _, err = run_script(code, timeout=30)
    assert (rc, err) == (3, "")


def test_a_macro_error_is_raised_and_the_exit_is_clean(run_script):
    code = """
        try:
            fiji.run_macro("a = 1;\\nb = nothing;")
        except MacroError as error:
            print(error.line, error.message)
    """
    assert run_script(code) == (0, "2 Undefined variable\n", "")


@pytest.mark.parametrize("display", ["Xvfb", "headless"])
def test_a_call_of_system_exit_does_not_end_python(display, run_script, path_without_xvfb):
    code = r"""
        def leave(image, options):
            from jpype import JClass
            JClass("java.lang.System").exit(0)

        try:
            fiji.run_macro('a = 1;\nx = Ext.dlsim("leave", "");', image=IMAGE, verbs={"leave": leave})
        except MacroError as error:
            print(error.line, error.message)
        try:
            fiji.run_macro("a = 1;")
        except FijiError as error:
            print(error.message)
        sys.exit(9)
    """
    path = {"PATH": path_without_xvfb} if display == "headless" else {}
    rc, out, err = run_script(code, **path)
    assert (rc, err) == (9, "")
    assert out == "2 ImageJ wanted to end this process\nImageJ wanted to end this process\n"


def test_ctrl_c_stops_a_macro_and_python(script):
    code = """
        print("running", flush=True)
        try:
            fiji.run_macro("while (true) wait(10);")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            print(fiji.run_macro('return "alive";').value, flush=True)
            sys.exit(130)
    """
    words, environment = script(code)
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "running\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "interrupted\nalive\n", "")


@pytest.mark.parametrize(("name", "expected"), [("SIGTERM", -15), ("SIGKILL", -9)])
def test_a_killed_process_leaves_no_xvfb(name, expected, script):
    words, environment = script('print("up", flush=True)\ntime.sleep(60)\n')
    environment.pop("DISPLAY", None)
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    (server,) = xvfb_pids(process.pid)
    process.send_signal(getattr(signal, name))
    process.wait(10)
    process.stdout.close()
    assert process.returncode == expected
    assert ended(server)


def test_xvfb_is_stopped_and_collected_at_exit_and_display_is_not_changed(script):
    code = """
        import os
        assert "DISPLAY" not in os.environ
        pid = launch.session().display.pid
        os.kill(pid, 0)  # it is there
        print(pid)
        launch.close()
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            print("collected")
    """
    environ = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    words, environment = script(code)
    done = subprocess.run(
        words,
        env={**environ, "TMPDIR": environment["TMPDIR"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    pid, word = done.stdout.split()
    assert word == "collected"
    assert not is_running(int(pid))


def test_without_a_display_the_api_works_and_commands_say_what_they_need(run_script, path_without_xvfb):
    code = """
        print(sorted(fiji.capabilities))
        print(fiji.run_macro('newImage("a", "32-bit ramp", 8, 8, 1); return "" + getPixel(4, 4);').value)
        for statement in ('run("Gaussian Blur...", "sigma=2");', 'run("Invert");', 'y = getNumber("n", 1);'):
            try:
                fiji.run_macro("a = 1;\\n" + statement, image=IMAGE)
            except MacroError as error:
                print(error.line, error.message, "|", error.hint[:18])
        for macro in ("a = 1;\\nx = nothing;", "\\nx = getPixel(1, 1);", 'a = 1;\\nexit("why");'):
            try:
                fiji.run_macro(macro)
            except MacroError as error:
                print(error.line, error.message)
    """
    rc, out, err = run_script(code, PATH=path_without_xvfb)
    needs = "2 ImageJ commands and windows need a display or Fiji | apt install xvfb (\n"
    assert (rc, err) == (0, "")
    assert out == (
        "['macros', 'measure', 'open', 'resize', 'save']\n0.5\n" + 3 * needs
        + "2 Undefined variable\n2 There are no images open\n2 why\n"
    )  # fmt: skip


def test_engine_none_starts_no_java():
    code = """
import sys
import numpy as np
from dlsim_ij.fiji import Fiji
with Fiji(engine="none") as fiji:
    print(fiji.name, fiji.resize(np.ones((4, 4), "float32"), 2).shape)
assert "jpype" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "none (8, 8)\n", "")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"DLSIM_IJ_JAR": "/nowhere/ij.jar"}, "/nowhere/ij.jar (DLSIM_IJ_JAR) is not there"),
        ({"DLSIM_JAVA_HEAP": "lots"}, "DLSIM_JAVA_HEAP is 'lots', which is no size"),
        ({"DLSIM_JAVA_HEAP": "1m"}, "DLSIM_JAVA_HEAP is '1m', which is no size"),
        ({"DLSIM_IJ_JAR": "fake.jar"}, "did not start ImageJ"),
    ],
)
def test_a_start_that_fails_is_one_error_and_leaves_nothing(tmp_path, environ, words, run_script):
    code = """
try:
    Fiji(engine="imagej").start()
except FijiError as error:
    print(error.message)
import os, subprocess
words = ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())]
print(*(line.split()[0] for line in subprocess.run(words, capture_output=True, text=True).stdout.splitlines()
        if "Xvfb" in line))
"""
    with zipfile.ZipFile(tmp_path / "fake.jar", "w") as jar:
        jar.writestr("ij/IJ.class", b"no class")
    rc, out, err = run_script(code, start=False, **environ)
    assert (rc, err) == (0, "")
    message, servers = out.splitlines()
    assert words in message
    assert all(ended(int(pid)) for pid in servers.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake.jar", "script.py"]
