"""A visible ImageJ whose menu command, dialog and recorder are used as by hand: xdotool moves the mouse."""

import json
import shutil
import subprocess
import sys

import pytest

from dlsim_ij.fiji.locate import find, find_java

pytestmark = [
    pytest.mark.jvm,
    pytest.mark.skipif(shutil.which("xdotool") is None, reason="no xdotool: apt install xdotool"),
]

# ImageJ as a user starts it, but with Python beside it, which can read where the buttons are.
SESSION = """
import faulthandler, json, subprocess, sys, time
import jpype

faulthandler.dump_traceback_later(120, exit=True)  # says where it hangs
told = json.loads(sys.argv[1])
jpype.startJVM(*told["options"], jvmpath=told["jvm"], classpath=[told["jar"]], convertStrings=True)
IJ, Window, Table = (jpype.JClass(name) for name in ("ij.IJ", "java.awt.Window", "ij.measure.ResultsTable"))
Recorder = jpype.JClass("ij.plugin.frame.Recorder")
jpype.JClass("ij.ImageJ").main(["-ijpath", told["folder"], told["image"]])

def wait_for(find, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = find()
        if found:
            return found
        time.sleep(0.1)
    shown = [kind(w) + str(w.getBounds()) for w in Window.getWindows() if w.isShowing()]
    print("no " + what + "; shown: " + ", ".join(shown), file=sys.stderr, flush=True)
    jpype.java.lang.Runtime.getRuntime().halt(1)

def kind(window):
    return str(window.getClass().getName())

def xdotool(*words):
    subprocess.run(["xdotool", *map(str, words)], check=True)

def click(component, times=1):
    place = component.getLocationOnScreen()
    xdotool("mousemove", place.x + component.getWidth() // 2, place.y + component.getHeight() // 2)
    time.sleep(0.3)
    xdotool("click", "--repeat", times, "--delay", 60, 1)
    time.sleep(0.3)

def dialog():
    shown = [w for w in Window.getWindows() if w.isShowing() and kind(w).endswith("GenericDialog")]
    return shown[0] if shown else None

IJ.run("Record...")
recorder = wait_for(Recorder.getInstance, "recorder")
wait_for(lambda: jpype.JClass("ij.WindowManager").getImageCount() == 1, "image")
IJ.doCommand("DLSIM Resolution")  # what the menu does, in a thread of its own
asking = wait_for(dialog, "dialog")
# without a window manager all windows open in the corner, one above the other
recorder.setLocation(0, 400)
asking.setLocation(300, 120)
time.sleep(0.5)
answer = {"title": str(asking.getTitle())}
field = asking.getNumericFields().get(0)
for _ in range(5):  # without a window manager a click may come before the window takes it
    click(field, times=2)  # a double click selects what is in the field
    xdotool("type", told["type"])
    time.sleep(0.3)
    if str(field.getText()) == told["type"]:
        break
for _ in range(5):
    if asking.isShowing():
        click(asking.getButtons()[0])
wait_for(lambda: Table.getResultsTable().size() == 1, "row")
answer["recorded"] = str(recorder.getText())
wait_for(lambda: IJ.runMacro(answer["recorded"]) != "[aborted]", "second run")
wait_for(lambda: Table.getResultsTable().size() == 2, "second row", 5)
table = Table.getResultsTable()
answer["nm"] = [float(table.getValue("Resolution_nm", row)) for row in range(2)]
answer["remembered"] = str(jpype.JClass("ij.Prefs").get("dlsim.resolution.pixel_size", ""))
print(json.dumps(answer), flush=True)
jpype.java.lang.Runtime.getRuntime().halt(0)
"""


def test_dialog_recorder_and_the_recorded_line(imagej, display, tmp_path):
    import numpy as np
    import tifffile

    image = tmp_path / "Bild ü; 1.tif"
    noise = np.random.default_rng(0).poisson(50, (64, 64)).astype(np.float32)
    frequency = np.hypot(np.fft.rfftfreq(64), np.fft.fftfreq(64)[:, None])
    smooth = np.fft.irfft2(np.fft.rfft2(noise) * (frequency < 0.2))
    tifffile.imwrite(image, (smooth + 0.5 * noise).astype(np.float32), imagej=True)
    installation, java = find(engine="imagej"), find_java(8)
    told = {
        "jvm": str(java.library), "jar": str(installation.jars[0]), "folder": str(imagej.folder),
        "image": str(image), "type": "0.05",
        "options": [f"-Djava.io.tmpdir={imagej.temporary}", f"-Duser.home={imagej.home}",
                    f"-Dplugins.dir={imagej.folder}"],
    }  # fmt: skip
    _, environment = imagej.java(display=display)
    done = subprocess.run(
        [sys.executable, "-c", SESSION, json.dumps(told)], env=environment, capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["title"] == "DLSIM Resolution"
    line = 'runMacro("DLSIM/dlsim_resolution.ijm", "pixel_size=0.05");\n'
    assert answer["recorded"] == line
    assert answer["nm"][0] == answer["nm"][1] > 0
    assert answer["remembered"] == "0.05"
    assert list(imagej.temporary.glob("dlsim_*")) == []
