"""Time calls with and without the warm worker, from the start of the client's process to its end.

    python benchmarks/worker.py [--json] [--repeats N] [--java] [--write docs/worker.md]

A worker of its own is started, in a run-time folder of its own. "wall" is what a user waits; "client" and
"job" are processor time of the client's process and of the worker's engine, which other work hardly changes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from doc_tables import put, table

import dlsim_ij as dlsim

ROOT = Path(__file__).resolve().parents[1]


def command(words: list[str], folder: Path, expected: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dlsim_ij", *words], cwd=folder, capture_output=True, text=True
    )
    if done.returncode != expected:
        raise SystemExit(f"dlsim {' '.join(words)}: {done.stderr}")
    return done.stdout


def engine_seconds() -> float:
    """Processor time of the engine so far; 0 where there is no worker or no /proc."""
    told = subprocess.run(
        [sys.executable, "-m", "dlsim_ij", "serve", "--status", "--json"], capture_output=True, text=True
    )
    pid = json.loads(told.stdout).get("engine_pid") if told.stdout else None
    stat = Path(f"/proc/{pid}/stat")
    if pid is None or not stat.exists():
        return 0.0
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def timed(what: str, words: list[str], folder: Path, repeats: int) -> dict[str, object]:
    rows = []
    for _ in range(repeats):
        job, begin = engine_seconds(), time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command(words, folder)
        wall = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        client = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        rows.append((wall, client, engine_seconds() - job))
    best = [min(column) for column in zip(*rows, strict=True)]
    return {
        "what": what,
        **{name: round(value, 3) for name, value in zip(("wall_s", "client_s", "job_s"), best, strict=True)},
    }


def from_imagej(what: str, calls: list[str], folder: Path, repeats: int) -> dict[str, object]:
    """Time expressions of the macro language in an ImageJ of its own, after it has started."""
    from dlsim_ij.fiji import locate

    installation = locate.find(None, "imagej")
    if installation is None:
        raise SystemExit("no ImageJ was found: apt install libij-java")
    lines = "".join(
        f'begin = getTime(); {call}; text = text + (getTime() - begin) + "\\n";\n' for call in calls
    )
    (folder / "times.ijm").write_text(f'text = "";\n{lines}File.saveString(text, "{folder}/times.txt");')
    java = ["java", "-Djava.awt.headless=true", "-cp", str(installation.path), "ij.ImageJ", "-batch"]
    best: list[float] = []
    for _ in range(repeats):
        subprocess.run([*java, str(folder / "times.ijm")], cwd=folder, check=True, capture_output=True)
        best += [int(word) / 1000 for word in (folder / "times.txt").read_text().split()]
    return {"what": f"ImageJ: {what}", "wall_s": min(best)}


def macro_calls(words: list[str]) -> list[str]:
    words = [sys.executable, "-m", "dlsim_ij", *words]
    return ["exec(" + ", ".join(json.dumps(word) for word in words) + ")"]


def url_calls(words: list[str], folder: Path) -> list[str]:
    from dlsim_ij.worker.place import Place

    worker = Place().read()
    assert worker is not None
    asked = [("token", worker.token), ("folder", str(folder)), *(("arg", word) for word in words)]
    url = f"{worker.address}/run?{urllib.parse.urlencode(asked)}&id="
    return [f'File.openUrlAsString("{url}" + d2s(getTime(), 0))']


def measure(folder: Path, repeats: int, java: bool) -> list[dict[str, object]]:
    raw = dlsim.read_image(ROOT / "examples" / "demo_raw.tif")
    dlsim.write_image(folder / "raw.tif", raw[:, :128, :128])
    (folder / "macro.ijm").write_text(
        'newImage("a", "32-bit noise", 512, 512, 1); run("Gaussian Blur...", "sigma=2");'
    )
    calls = {
        "predict, 15 x 128 x 128": ["predict", "raw.tif", "-o", "out", "--overwrite"],
        "run, 15 x 128 x 128": ["run", "raw.tif", "-o", "all", "--overwrite", "--engine", "none"],
        "score, 128 x 128": ["score", "--truth", "out/raw_sr.tif", "--image", "out/raw_sr.tif"],
        **({"macro with a blur": ["macro", "macro.ijm"]} if java else {}),
    }
    found = [
        timed(f"{name}: no worker", [*words, "--no-worker"], folder, repeats) for name, words in calls.items()
    ]
    predict = calls["predict, 15 x 128 x 128"]
    if java:
        cold = macro_calls([*predict, "--no-worker"])
        found.append(from_imagej("exec of predict, no worker", cold, folder, repeats))
    begin = time.perf_counter()
    command(["serve", "--background", "--model", "sim15", *(["--java"] if java else [])], folder)
    found.append({"what": "serve --background comes back", "wall_s": round(time.perf_counter() - begin, 3)})
    try:
        command(calls["score, 128 x 128"], folder)  # waits until the worker has loaded everything
        found.append(
            {"what": "and has loaded model (and Java)", "wall_s": round(time.perf_counter() - begin, 3)}
        )
        for name, words in calls.items():
            found.append(timed(f"{name}: first with worker", words, folder, 1))
            found.append(timed(f"{name}: with worker", words, folder, repeats))
        if java:
            found.append(from_imagej("exec of predict, with worker", macro_calls(predict), folder, repeats))
            asked = url_calls(predict, folder)
            found.append(from_imagej("predict by openUrlAsString", asked, folder, repeats))
    finally:
        command(["serve", "--stop"], folder)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Time calls with and without the warm worker.")
    parser.add_argument("--json", action="store_true", help="JSON Lines")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--java", action="store_true", help="with an ImageJ macro too")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(XDG_RUNTIME_DIR=folder, DLSIM_WORKER="on")
        Path(folder).chmod(0o700)
        for row in measure(Path(folder), options.repeats, options.java):
            numbers = "".join(
                f"  {name} {row[name]:7.3f}" for name in ("wall_s", "client_s", "job_s") if name in row
            )
            print(json.dumps(row) if options.json else f"{row['what']:44}{numbers}")
            rows.append(row)
    if options.write is not None:
        head = ["call", "waited, s", "processor time of the client, s", "of the worker, s"]
        keys = ("wall_s", "client_s", "job_s")
        cells = [[str(row["what"]), *(f"{row[k]:.2f}" if row.get(k) else "" for k in keys)] for row in rows]
        put(options.write, "calls", table(head, cells))


if __name__ == "__main__":
    main()
