"""What a process can do only once: start and end Java. Each test is a script in a fresh process."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

pytestmark = pytest.mark.jvm

START = """
import sys, time
import numpy as np
from dlsim_ij.errors import FijiError, MacroError
from dlsim_ij.fiji import Fiji, launch
IMAGE = np.random.default_rng(0).random((64, 64)).astype("float32")
if __name__ == "__main__":
    fiji = Fiji(engine="imagej").start()
"""


def script(code, tmp_path, **environ):
    """Return a command and its environment."""
    file = tmp_path / "script.py"
    file.write_text(START + textwrap.dedent(code))
    words = [sys.executable, str(file)]
    return words, {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path), **environ}


def run(code, tmp_path, timeout=60, **environ):
    words, environment = script(code, tmp_path, **environ)
    done = subprocess.run(
        words, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    return done.returncode, done.stdout, done.stderr


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
def test_it_exits_soon_after_a_blur_with_its_own_exit_code(tmp_path, display):
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
    rc, out, err = run(
        code, tmp_path, **({"PATH": _path_without_xvfb(tmp_path)} if display == "headless" else {})
    )
    assert (rc, err) == (7, "")
    headless, preferences, finished = out.split()
    assert headless == str(display == "headless")
    assert time.time() - float(finished) < 5
    assert not os.path.exists(preferences)


def _path_without_xvfb(tmp_path):
    """Return a PATH that has java and nothing else."""
    import shutil

    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "java").symlink_to(os.path.realpath(shutil.which("java")))
    return str(folder)


def test_a_java_thread_that_never_ends_does_not_keep_python(tmp_path):
    code = """
        import jpype
        thread = jpype.JClass("java.lang.Thread")
        run = lambda: thread.sleep(600_000)
        thread(jpype.JProxy("java.lang.Runnable", dict={"run": run})).start()
        fiji.run_command("Gaussian Blur...", "sigma=2", IMAGE)
        sys.exit(3)
    """
    rc, _, err = run(code, tmp_path, timeout=30)
    assert (rc, err) == (3, "")


def test_ctrl_c_stops_a_macro_and_python(tmp_path):
    code = """
        print("running", flush=True)
        try:
            fiji.run_macro("while (true) wait(10);")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            print(fiji.run_macro('return "alive";').value, flush=True)
            sys.exit(130)
    """
    words, environment = script(code, tmp_path)
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "running\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "interrupted\nalive\n", "")


@pytest.mark.parametrize(("name", "expected"), [("SIGTERM", -15), ("SIGKILL", -9)])
def test_a_killed_process_leaves_no_xvfb(tmp_path, name, expected):
    words, environment = script('print("up", flush=True)\ntime.sleep(60)\n', tmp_path)
    environment.pop("DISPLAY", None)
    process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    (server,) = xvfb_pids(process.pid)
    process.send_signal(getattr(signal, name))
    process.wait(10)
    process.stdout.close()
    assert process.returncode == expected
    assert ended(server)


def test_xvfb_is_stopped_and_collected_at_exit_and_display_is_not_changed(tmp_path):
    code = """
        import os
        assert "DISPLAY" not in os.environ
        print(launch.session().display.pid)
        launch.close()
        try:
            os.kill(int(launch.session().display.pid or 0) or 10**8, 0)
        except ProcessLookupError:
            print("collected")
    """
    environ = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    words, environment = script(code, tmp_path)
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


def test_numpy_linalg_works_after_java_started(tmp_path):
    """Without DisablePrimordialThreadGuardPages this is a segmentation fault, with several threads."""
    code = """
        matrix = np.random.default_rng(0).random((200, 200)) + 200 * np.eye(200)
        np.testing.assert_allclose(np.linalg.inv(matrix) @ matrix, np.eye(200), atol=1e-9)
        np.linalg.svd(np.random.default_rng(1).random((300, 300)))
        print("fine")
    """
    assert run(code, tmp_path, OMP_NUM_THREADS="4") == (0, "fine\n", "")


def test_torch_and_java_share_the_process(tmp_path):
    pytest.importorskip("torch")
    code = """
        import torch
        layer = torch.nn.Conv2d(1, 4, 3)
        for _ in range(3):
            image = fiji.run_command("Gaussian Blur...", "sigma=1", IMAGE).image.values
            layer(torch.from_numpy(image)[None, None]).square().mean().backward()
        torch.linalg.svd(torch.rand(200, 200)); torch.fft.fft2(torch.rand(128, 128))
        print(bool(torch.isfinite(layer.weight.grad).all()))
        sys.exit(5)
    """
    assert run(code, tmp_path) == (5, "True\n", "")


def test_a_forked_child_is_refused_at_once(tmp_path):
    code = """
        import os
        child = os.fork()
        if child == 0:
            resize, macro = lambda: fiji.resize(IMAGE, 2), lambda: fiji.run_macro("a=1;")
            for call in (resize, macro, lambda: Fiji().start()):
                try:
                    call()
                    print("no refusal")
                except FijiError as error:
                    print(error.message, flush=True)
            sys.exit(4)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), fiji.run_macro('return "parent";').value)
    """
    rc, out, err = run(code, tmp_path)
    refusal = "this process was forked from one that runs Java, and cannot use it\n"
    assert (rc, out) == (0, refusal * 3 + "4 parent\n"), err


def test_a_spawned_worker_has_its_own_java(tmp_path):
    code = """
        import multiprocessing

        def work(n):
            return Fiji(engine="imagej").run_macro("return getArgument();", str(n)).value

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, range(2)))
                pool.close()
                pool.join()
    """
    assert run(code, tmp_path) == (0, "['0', '1']\n", "")


def test_a_macro_error_is_raised_and_the_exit_is_clean(tmp_path):
    code = """
        try:
            fiji.run_macro("a = 1;\\nb = nothing;")
        except MacroError as error:
            print(error.line, error.message)
    """
    assert run(code, tmp_path) == (0, "2 Undefined variable\n", "")


def test_a_hundred_images_leave_no_memory_behind(tmp_path):
    code = """
        from jpype import JClass
        runtime, system = JClass("java.lang.Runtime").getRuntime(), JClass("java.lang.System")

        def used_mb():
            for _ in range(3):
                system.gc()
                time.sleep(0.05)
            return (runtime.totalMemory() - runtime.freeMemory()) / 1e6

        def resident_mb():
            with open("/proc/self/statm") as file:
                return int(file.read().split()[1]) * 4096 / 1e6

        big = np.ones((512, 512), "float32")  # 1 MB

        def once():
            fiji.from_imageplus(fiji.to_imageplus(big))
            fiji.run_macro('run("Add...", "value=1"); Ext.dlsim("resize", "scale=0.5");', image=big)
            fiji.resize(big, 0.5)

        for _ in range(20):
            once()
        heap, resident = used_mb(), resident_mb()
        for _ in range(100):
            once()
        print(round(used_mb() - heap, 1), round(resident_mb() - resident, 1))
    """
    rc, out, err = run(code, tmp_path, timeout=120, DLSIM_JAVA_HEAP="128m")
    assert (rc, err) == (0, "")
    heap, resident = map(float, out.split())
    assert heap < 3, "Java keeps more than three of the images"
    assert resident < 40, "the process keeps more than forty of the images"


def test_engine_none_starts_no_java(tmp_path):
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


def test_without_a_display_the_api_works_and_commands_say_what_they_need(tmp_path):
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
    rc, out, err = run(code, tmp_path, PATH=_path_without_xvfb(tmp_path))
    needs = "2 ImageJ commands and windows need a display or Fiji | apt install xvfb (\n"
    assert (rc, err) == (0, "")
    assert out == (
        "['macros', 'measure', 'open', 'resize', 'save']\n0.5\n" + 3 * needs
        + "2 Undefined variable\n2 There are no images open\n2 why\n"
    )  # fmt: skip


@pytest.mark.parametrize("display", ["Xvfb", "headless"])
def test_a_call_of_system_exit_does_not_end_python(tmp_path, display):
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
    path = {"PATH": _path_without_xvfb(tmp_path)} if display == "headless" else {}
    rc, out, err = run(code, tmp_path, **path)
    assert (rc, err) == (9, "")
    assert out == "2 ImageJ wanted to end this process\nImageJ wanted to end this process\n"


def test_a_running_java_is_adopted_and_imagej_added_to_it(tmp_path):
    code = """
        import jpype
        jpype.startJVM("-Xrs", "-Djava.awt.headless=true", "-XX:+UnlockExperimentalVMOptions",
                       "-XX:+DisablePrimordialThreadGuardPages", interrupt=False)
        fiji = Fiji()
        print(fiji.describe()["source"], fiji.name, fiji.resize(IMAGE, 2).shape)
        print(fiji.run_macro('print("log"); return "v";').log.strip())
        jpype.JClass("java.lang.System").out.println("theirs")
    """
    file = tmp_path / "script.py"
    file.write_text(START.split("if __name__")[0] + textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "a Java that already ran imagej (128, 128)\nlog\ntheirs\n"


def test_python_keeps_its_signal_handlers(tmp_path):
    code = """
import signal
seen = []
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.signal(getattr(signal, name), lambda number, frame: seen.append(number))
fiji = Fiji(engine="imagej").start()
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    signal.raise_signal(getattr(signal, name))
assert seen == [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], seen
print("kept")
"""
    file = tmp_path / "script.py"
    file.write_text(START.split("if __name__")[0] + code)
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "kept\n", "")


def test_faulthandler_after_java_is_refused_and_before_it_is_fine(tmp_path):
    code = """
        import faulthandler
        faulthandler.enable()
        try:
            fiji.run_macro("a = 1;")
        except FijiError as error:
            print(error.message)
        faulthandler.disable()
        print(fiji.run_macro('return "again";').value)
        sys.exit(2)
    """
    rc, out, err = run(code, tmp_path)
    expected = "faulthandler was enabled after Java started; the next Java error would crash Python\nagain\n"
    assert (rc, out, err) == (2, expected, "")
    assert run("fiji.run_macro('a = 1;'); sys.exit(2)", tmp_path, PYTHONFAULTHANDLER="1") == (2, "", "")


def test_another_thread_may_use_but_not_start_java(tmp_path):
    code = """
import threading
def start():
    try:
        Fiji(engine="imagej").start()
    except FijiError as error:
        print(error.message)
    else:
        print("started")
for _ in range(2):
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    Fiji(engine="imagej").start()
"""
    file = tmp_path / "script.py"
    file.write_text(START.split("if __name__")[0] + code)
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "Java must be started in the main thread\nstarted\n",
        "",
    )


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"DLSIM_IJ_JAR": "/nowhere/ij.jar"}, "/nowhere/ij.jar (DLSIM_IJ_JAR) is not there"),
        ({"DLSIM_JAVA_HEAP": "lots"}, "DLSIM_JAVA_HEAP is 'lots', which is no size"),
        ({"DLSIM_JAVA_HEAP": "1m"}, "DLSIM_JAVA_HEAP is '1m', which is no size"),
        ({"DLSIM_IJ_JAR": "fake.jar"}, "did not start ImageJ"),
    ],
)
def test_a_start_that_fails_is_one_error_and_leaves_nothing(tmp_path, environ, words):
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
    import zipfile

    with zipfile.ZipFile(tmp_path / "fake.jar", "w") as jar:
        jar.writestr("ij/IJ.class", b"no class")
    file = tmp_path / "script.py"
    file.write_text(START.split("if __name__")[0] + code)
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path), **environ},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    message, servers = done.stdout.splitlines()
    assert words in message
    assert all(ended(int(pid)) for pid in servers.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake.jar", "script.py"]
