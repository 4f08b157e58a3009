"""A real Fiji with plugins: Bio-Formats, published plugins off screen, our verbs, a script of PyImageJ's.

As `test_real_fiji.py`, by hand: ``DLSIM_FIJI=... pytest -m fiji``.
"""

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tifffile

from dlsim_ij.fiji import locate

pytestmark = [
    pytest.mark.fiji,
    pytest.mark.jvm,
    pytest.mark.skipif(not os.environ.get("DLSIM_FIJI"), reason="DLSIM_FIJI names no real Fiji"),
]

ROOT = Path(__file__).parents[2]


def process(*words, **environ):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environ},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def write_mrc(path, planes, pixel_um):
    """Write the format of electron microscopes, and nearly that of OMX: float32, lowest row first."""
    header = np.zeros(256, np.int32)
    depth, height, width = planes.shape
    header[[0, 1, 2, 3]] = width, height, depth, 2
    header[[7, 8, 9]] = width, height, depth
    cells = header.view(np.float32)
    cells[[10, 11, 12]] = 1e4 * pixel_um * np.array([width, height, depth])
    cells[[13, 14, 15]] = 90
    header[[16, 17, 18]] = 1, 2, 3
    header.view(np.uint8)[208:216] = list(b"MAP DD\0\0")
    path.write_bytes(header.tobytes() + np.ascontiguousarray(planes[:, ::-1], np.float32).tobytes())


def test_bio_formats_reads_what_tifffile_does_not(tmp_path):
    if locate.find(os.environ["DLSIM_FIJI"], "fiji").jar("bio-formats_plugins") is None:
        pytest.skip("that Fiji has no Bio-Formats")
    planes = np.random.default_rng(0).random((3, 24, 32)).astype(np.float32)
    write_mrc(tmp_path / "tomogram.mrc", planes, 0.06)
    np.save(tmp_path / "planes.npy", planes)
    (tmp_path / "two&series=2&sizeX=16&sizeY=8.fake").touch()  # Bio-Formats' own test pictures
    (tmp_path / "nonsense.czi").write_bytes(b"no such thing" * 100)
    file = tmp_path / "script.py"
    file.write_text(
        textwrap.dedent("""
        import sys
        from pathlib import Path
        import numpy as np
        import dlsim_ij as dlsim
        folder = Path(sys.argv[1])
        fiji = dlsim.Fiji(engine="fiji").start()
        image = dlsim.read_image(folder / "tomogram.mrc", other=fiji.open)
        print(image.dims, np.array_equal(image.values, np.load(folder / "planes.npy")))
        print(round(image.attrs["pixel_size_um"], 4), image.attrs["name"])
        fake = next(folder.glob("*.fake"))
        print(fiji.open(fake, series=2).shape)
        for path, series in ((fake, None), (fake, 3), (folder / "nonsense.czi", None)):
            try:
                print("silent", fiji.open(path, series=series))
            except dlsim.DlsimError as error:
                print(str(error).replace(str(path), "it").splitlines()[0][:40])
        """)
    )
    done = process(file, tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0].endswith(", 'Y', 'X') True")
    assert lines[1:3] == ["0.06 tomogram", "(8, 16)"]
    assert lines[3:5] == ["it holds 2 series", "it has 2 series, there is no number 3"]
    assert lines[5].startswith("Bio-Formats cannot read it")


@pytest.fixture
def fiji_with_plugins(tmp_path, plugin_jars):
    """Return a copy of that Fiji, by links, with the doubles of the published plugins."""
    real = Path(os.environ["DLSIM_FIJI"]).resolve()
    copy = tmp_path / "Fiji.app"
    for part in ("jars", "plugins"):
        for jar in (real / part).rglob("*.jar"):
            link = copy / jar.relative_to(real)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(jar)
    (copy / "plugins").mkdir(exist_ok=True)
    for jar in plugin_jars:
        shutil.copy(jar, copy / "plugins")
    return copy


def test_published_plugins_run_off_screen(fiji_with_plugins, images):
    for words, key, expected in (
        (["resolution", images / "planes.tif", "--roi", "0,0,64,64"], "kc", 0.25),
        (["squirrel", "--reference", images / "coarse.tif", "--image", images / "fine.tif"], "rse", None),
    ):
        done = process("-m", "dlsim_ij", *words, "--engine", "fiji", "--fiji", fiji_with_plugins, "--json")
        assert done.returncode == 0, done.stderr
        row = json.loads(done.stdout.splitlines()[0])
        expected = tifffile.imread(images / "fine.tif").mean() if expected is None else expected
        assert row["plugin"][key] == pytest.approx(expected, rel=1e-4)


def test_the_batch_macro_runs_in_it(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    stack = tifffile.imread(ROOT / "examples" / "demo_raw.tif")[:, 40:136, 40:136]
    metadata = {"unit": "um", "axes": "ZYX"}
    tifffile.imwrite(folder / "a.tif", stack, imagej=True, resolution=(1 / 0.06, 1 / 0.06), metadata=metadata)
    macro = ROOT / "examples" / "macros" / "batch_reconstruct.ijm"
    words = f"input=[{folder}] table=[{tmp_path / 'table.csv'}]"
    # off screen: headless, a Fiji of 2025 (ij 1.54p, ij1-patcher 1.2.9) stumbles over Analyze Particles
    done = process("-m", "dlsim_ij", "macro", macro, words, "--engine", "fiji", "--offscreen")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "table.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert int(row["pieces"]) >= 1
    assert 0.05 < float(row["resolution_um"]) < 0.5


def test_the_script_beside_pyimagej(tmp_path):
    found = locate.find(os.environ["DLSIM_FIJI"], "fiji")
    if importlib.util.find_spec("imagej") is None or locate.imglyb_jars(found) is None:
        pytest.skip("PyImageJ or its imglyb jars are not here (DLSIM_IMGLYB)")
    done = process(ROOT / "examples" / "beside_pyimagej.py")
    assert done.returncode == 0, done.stderr
    assert "the same image: True" in done.stdout
    assert "the same measurement: True" in done.stdout
