"""What shares a process with Java: numpy, torch, forks, threads, signal handlers. Each test is a process."""

import pytest

pytestmark = pytest.mark.jvm


def test_numpy_linalg_works_after_java_started(run_script):
    """Without DisablePrimordialThreadGuardPages this is a segmentation fault, with several threads."""
    code = """
        matrix = np.random.default_rng(0).random((200, 200)) + 200 * np.eye(200)
        np.testing.assert_allclose(np.linalg.inv(matrix) @ matrix, np.eye(200), atol=1e-9)
        np.linalg.svd(np.random.default_rng(1).random((300, 300)))
        print("fine")
    """
    assert run_script(code, OMP_NUM_THREADS="4") == (0, "fine\n", "")


def test_torch_and_java_share_the_process(run_script):
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
    assert run_script(code) == (5, "True\n", "")


def test_a_forked_child_is_refused_at_once(run_script):
    code = """
        import os
        child = os.fork()
        if child == 0:
            import gc
            for _ in range(40):  # JPype would ask Java to collect as well, which no longer answers
                waste = [bytearray(100_000) for _ in range(200)]
                gc.collect()
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
    rc, out, err = run_script(code)
    refusal = "this process was forked from one that runs Java, and cannot use it\n"
    assert (rc, out) == (0, refusal * 3 + "4 parent\n"), err


def test_a_spawned_worker_has_its_own_java(run_script):
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
    assert run_script(code) == (0, "['0', '1']\n", "")


def test_a_hundred_images_leave_no_memory_behind(run_script):
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
    rc, out, err = run_script(code, timeout=120, DLSIM_JAVA_HEAP="128m")
    assert (rc, err) == (0, "")
    heap, resident = map(float, out.split())
    assert heap < 3, "Java keeps more than three of the images"
    assert resident < 40, "the process keeps more than forty of the images"


def test_a_running_java_is_adopted_and_imagej_added_to_it(run_script):
    code = """
        import jpype
        jpype.startJVM("-Xrs", "-Djava.awt.headless=true", "-XX:+UnlockExperimentalVMOptions",
                       "-XX:+DisablePrimordialThreadGuardPages", interrupt=False)
        fiji = Fiji()
        print(fiji.describe()["source"], fiji.name, fiji.resize(IMAGE, 2).shape)
        print(fiji.run_macro('print("log"); return "v";').log.strip())
        jpype.JClass("java.lang.System").out.println("theirs")
    """
    rc, out, err = run_script(code, start=False)
    assert (rc, err) == (0, "")
    assert out == "a Java that already ran imagej (128, 128)\nlog\ntheirs\n"


def test_python_keeps_its_signal_handlers(run_script):
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
    rc, out, err = run_script(code, start=False)
    assert (rc, out, err) == (0, "kept\n", "")


def test_faulthandler_after_java_is_refused_and_before_it_is_fine(run_script):
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
    rc, out, err = run_script(code)
    expected = "faulthandler was enabled after Java started; the next Java error would crash Python\nagain\n"
    assert (rc, out, err) == (2, expected, "")
    assert run_script("fiji.run_macro('a = 1;'); sys.exit(2)", PYTHONFAULTHANDLER="1") == (2, "", "")


def test_another_thread_may_use_but_not_start_java(run_script):
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
    rc, out, err = run_script(code, start=False)
    assert (rc, out, err) == (
        0,
        "Java must be started in the main thread\nstarted\n",
        "",
    )
