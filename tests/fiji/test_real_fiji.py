"""A real Fiji, through both ways in. Not in CI: ``DLSIM_FIJI=... pytest -m fiji`` (docs/fiji.md).

For the way through PyImageJ also: PyImageJ installed, and DLSIM_IMGLYB naming the folder with its two jars.
"""

import importlib.util
import json
import os
import socket
import struct
import subprocess
import sys
import textwrap
import time

import pytest

from dlsim_ij.fiji import locate

pytestmark = [
    pytest.mark.fiji,
    pytest.mark.jvm,
    pytest.mark.skipif(not os.environ.get("DLSIM_FIJI"), reason="DLSIM_FIJI names no real Fiji"),
]

START = """
import json, os, sys, time
import numpy as np
from dlsim_ij.errors import FijiError, MacroError
from dlsim_ij.fiji import Fiji
begin = time.perf_counter()
IMAGE = np.random.default_rng(0).random((40, 32)).astype("float32")
"""


@pytest.fixture(params=["scijava", "pyimagej"])
def way(request):
    """The way in; PyImageJ's is skipped where it is not complete."""
    if request.param == "pyimagej":
        found = locate.find(os.environ["DLSIM_FIJI"], "fiji")
        if importlib.util.find_spec("imagej") is None or locate.imglyb_jars(found) is None:
            pytest.skip("PyImageJ or its imglyb jars are not here (DLSIM_IMGLYB)")
    return request.param


@pytest.fixture
def run(way, tmp_path):
    """Run a script in a fresh process and return its exit code, output and errors."""

    def run_script(code, quiet=True, **environ):
        file = tmp_path / "script.py"
        file.write_text(START + textwrap.dedent(code))
        environment = {**os.environ, "TMPDIR": str(tmp_path), **environ}
        if way == "scijava":
            environment |= {"DLSIM_IMGLYB": "", "M2_REPO": str(tmp_path / "empty")}
        done = subprocess.run(
            [sys.executable, str(file)],
            env=environment, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        # PyImageJ's own words, when its gateway is used
        words = done.stderr.replace("Operating in headless mode - the original ImageJ will have limited", "")
        assert not quiet or words.strip() in ("", "functionality."), done.stderr
        return done.returncode, done.stdout

    return run_script


def test_start_numbers_commands_and_exit(run, way, record_property):
    code = """
        from dlsim_ij.images import bicubic_enlarge
        fiji = Fiji(engine="fiji").start()
        facts = fiji.describe() | {"seconds": time.perf_counter() - begin}
        facts["resize"] = float(abs(fiji.resize(IMAGE, 2) - bicubic_enlarge(IMAGE, 2)).max())
        facts["add"] = float(abs(fiji.run_command("Add...", "value=3", IMAGE).image.values - IMAGE - 3).max())
        blurred = fiji.run_command("Gaussian Blur...", {"sigma": 2}, IMAGE).image
        facts["blur"] = blurred.values.std() / IMAGE.std()
        resized = fiji.run_command("Size...", "width=64 height=80 interpolation=Bicubic", IMAGE).image
        facts["size"] = resized.shape
        facts["measured"] = fiji.run_command("Measure", "", IMAGE).tables["Results"]["Mean"][0] - IMAGE.mean()
        facts["commands"] = len(fiji.plugins())
        facts["capabilities"] = sorted(fiji.capabilities)
        facts["end"] = time.time()
        print(json.dumps(facts, default=float))
        sys.exit(7)
    """
    rc, out = run(code)
    facts = json.loads(out)
    assert rc == 7
    assert time.time() - facts["end"] < 10
    assert (facts["engine"], facts["way"]) == ("fiji", way)
    assert facts["resize"] < 1e-6
    assert facts["add"] < 1e-6
    assert 0.05 < facts["blur"] < 0.4
    assert facts["size"] == [80, 64]
    assert abs(facts["measured"]) < 1e-3  # the table shows three decimals
    assert facts["commands"] > 500
    assert {"commands", "plugins", "gateway", "macros"} <= set(facts["capabilities"])
    for name in ("version", "java", "seconds", "commands"):
        record_property(name, facts[name])


def test_macro_failures_are_not_silent(run):
    code = r"""
        fiji = Fiji(engine="fiji")
        macros = [
            "a = 1;\nb = ;\nc = 2;", "a = 1;\nx = nothing;",
            'a = 1;\nrun("Gausian Blur...");', 'a = 1;\nexit("why");',
            "a = 1;\nx = getPixel(1, 1);", 'a = 1;\nx = getNumber("n", 1);', 'eval("b = nothing;");',
            'a = 1;\nopen("/nowhere/cell.tif");', '\nx = call("java.lang.Integer.parseInt", "z");',
            '\nnewImage("a", "8-bit", 9, 9, 1);\nExt.dlsim("rezise", "");',
        ]
        for macro in macros:
            try:
                fiji.run_macro(macro)
                print("silent", macro)
            except MacroError as error:
                print(error.line, error.message)
        macro = 'newImage("a", "8-bit ramp", 8, 8, 1); Ext.dlsim("resize", "scale=2"); '
        print(fiji.run_macro(macro + "return getArgument() + getWidth();", "w=").value)
    """
    rc, out = run(code)
    lines = out.splitlines()
    assert rc == 0
    assert "silent" not in out
    assert [line.split()[0] for line in lines[:6]] == ["2"] * 6
    assert "Unrecognized command" in lines[2]
    assert lines[3] == "2 why"
    assert "nobody can see it" in lines[5]
    assert "Undefined variable in line 1" in lines[6]
    assert "/nowhere/cell.tif" in lines[7]
    assert 'For input string: "z"' in lines[8]
    assert lines[9] == "3 Ext.dlsim has no verb 'rezise'"
    assert lines[10] == "w=16"


def test_the_gateway_is_handed_out(run, way):
    code = """
        fiji = Fiji(engine="fiji")
        gateway = fiji.gateway
        print(gateway.getVersion())
        print(gateway.op().getClass().getSimpleName())
        if hasattr(gateway, "py"):
            print(gateway.py.from_java(gateway.py.to_dataset(IMAGE)).shape)
    """
    rc, out = run(code)
    lines = out.splitlines()
    assert rc == 0
    assert lines[0][0].isdigit()
    assert lines[1] == "DefaultOpService"
    assert lines[2:] == (["(40, 32)"] if way == "pyimagej" else [])


def test_parameters_do_not_leak_into_the_next_process(run):
    start = 'preferences = Fiji(engine="fiji").gateway.prefs()\nfrom jpype import JClass\n'
    put = 'preferences.put(JClass("java.lang.String").class_, "k", "secret")\n'
    read = 'print(preferences.get(JClass("java.lang.String").class_, "k"))\n'
    assert run(start + put + read) == (0, "secret\n")
    assert run(start + read) == (0, "None\n")


def test_files_of_a_fiji_are_read(run, tmp_path):
    code = """
        fiji = Fiji(engine="fiji")
        path = fiji.save(IMAGE, os.path.join(os.environ["TMPDIR"], "a b.tif"))
        print(abs(fiji.open(path).values - IMAGE).max() == 0)
        if fiji.has_command("Bio-Formats Windowless Importer"):
            code = 'run("Bio-Formats Windowless Importer", "open=[" + getArgument() + "]");'
            print(abs(fiji.run_macro(code, str(path)).image.values - IMAGE).max() == 0)
            try:
                fiji.run_macro(code.replace(" Windowless", ""), str(path))
                print("silent")
            except MacroError as error:
                print(error.line, error.message[:29])
    """
    rc, out = run(code)
    assert rc == 0
    assert out in ("True\n", "True\nTrue\n1 a Java error inside a command\n")


def test_a_gateway_of_pyimagej_is_adopted(run, way):
    if way != "pyimagej":
        pytest.skip("this is about PyImageJ")
    code = """
        import scyjava.config as config
        config.set_java_constraints(fetch="auto")
        import imagej
        config.endpoints.clear()
        from pathlib import Path
        for jar in Path(os.environ["DLSIM_IMGLYB"]).glob("*.jar"):
            config.add_classpath(str(jar))
        config.add_options(["-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote", "-Xrs",
                            "-XX:+UnlockExperimentalVMOptions", "-XX:+DisablePrimordialThreadGuardPages"])
        ij = imagej.init(os.environ["DLSIM_FIJI"])
        for fiji in (Fiji(gateway=ij), Fiji()):
            print(fiji.describe()["source"], fiji.describe()["way"], fiji.gateway is ij)
            print(abs(fiji.run_command("Add...", "value=3", IMAGE).image.values - IMAGE - 3).max() < 1e-6)
        print(ij.legacy.isActive())
    """
    rc, out = run(code, quiet=False)  # Java was started without us, and says what it likes
    assert rc == 0
    assert out == "a Java that already ran pyimagej True\nTrue\n" * 2 + "True\n"


def test_interactive_on_a_screen(run):
    from dlsim_ij.fiji.display import VirtualDisplay

    screen = VirtualDisplay()
    name = screen.start()
    client = socket.socket(socket.AF_UNIX)  # it would end when the last client, a mere probe, has gone
    client.connect(f"/tmp/.X11-unix/X{name[1:]}")
    client.sendall(struct.pack("<BxHHHHxx", 0x6C, 11, 0, 0, 0))
    try:
        code = """
            fiji = Fiji(engine="fiji", mode="interactive").start()
            from jpype import JClass
            result = fiji.run_macro('newImage("seen", "8-bit ramp", 32, 32, 1); run("Invert");')
            windows = JClass("ij.WindowManager")
            print(sorted(fiji.capabilities & {"windows", "commands"}), windows.getImageCount())
            print(result.image.shape, windows.getCurrentImage().getWindow().isVisible())
            sys.exit(3)
        """
        assert run(code, DISPLAY=name) == (3, "['commands', 'windows'] 1\n(32, 32) True\n")
    finally:
        client.close()
        screen.stop()


def test_the_doctor_names_this_fiji_and_its_plugins():
    words = [sys.executable, "-m", "dlsim_ij", "doctor", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["engine"]["status"] == "ok"
    assert os.path.basename(os.environ["DLSIM_FIJI"].rstrip("/")) in checks["engine"]["detail"]
    assert "plugin jars" in checks["plugins"]["detail"]
