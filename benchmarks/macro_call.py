"""Time dlsim from a macro of a real ImageJ: the first call, and later ones with a warm worker.

    python benchmarks/macro_call.py [--json] [--repeats N] [--write docs/macros.md]

A simulated stack of 15 x 128 x 128. `exec` is the bare call, as in exec("dlsim", "predict", ...);
`DLSIM Reconstruct` starts with the open image and ends with the opened result and a row of the table. Cold
has no worker, warm has one that has answered once. The clock is the macro's own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from doc_tables import put, table

from dlsim_ij.fiji.display import VirtualDisplay
from dlsim_ij.fiji.install import install_macros, own_command
from dlsim_ij.fiji.locate import find

MACRO = """
words = split(getArgument(), "\\n");        // raw, folder, repeats, words of the command
command = words[3];
for (k = 4; k < words.length; k++)
    command = command + "|" + words[k];
commands = call("ij.Menus.getCommands");   // -batch: where the macros are
for (n = 0; n < words[2]; n++) {
    t = getTime();
    line = command + "|predict|" + words[0] + "|-o|" + words[1] + "|--overwrite|--macro|--macro-results|"
        + words[1] + "/r.json";
    said = eval("return exec(\\"" + replace(line, "\\\\|", "\\", \\"") + "\\");");
    print("exec|" + (getTime() - t) / 1000 + "|" + startsWith(said, "DLSIM OK"));
}
open(words[0]);
for (n = 0; n < words[2]; n++) {
    t = getTime();
    said = runMacro("DLSIM/dlsim_reconstruct.ijm", "measure=false");
    print("DLSIM Reconstruct|" + (getTime() - t) / 1000 + "|" + endsWith(said, "_sr.tif"));
    close();
}
"""


def imagej(folder: Path, display: str, repeats: int, environment: dict[str, str]) -> dict[str, list[float]]:
    """Run the macro; return the seconds of each kind of call."""
    installation = find(engine="imagej")
    if installation is None:
        raise SystemExit("no ImageJ: apt install libij-java")
    words = [str(folder / "raw.tif"), str(folder / "out"), str(repeats), *own_command()]
    line = [
        "java", f"-Duser.home={folder}", "-cp", str(installation.jars[0]), "ij.ImageJ",
        "-ijpath", str(folder / "ImageJ"), "-batch", str(folder / "macro.ijm"), "\n".join(words),
    ]  # fmt: skip
    done = subprocess.run(line, env={**environment, "DISPLAY": display}, capture_output=True, text=True)
    times: dict[str, list[float]] = {}
    for row in done.stdout.splitlines():
        kind, _, rest = row.partition("|")
        seconds, _, right = rest.partition("|")
        if right != "1":
            raise SystemExit(f"the call failed: {done.stdout}{done.stderr}")
        times.setdefault(kind, []).append(float(seconds))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description="Time dlsim from a macro.")
    parser.add_argument("--json", action="store_true", help="JSON Lines")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the table into a page")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "run").mkdir(mode=0o700)
        environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder / "run")}  # no worker but ours
        dlsim = [sys.executable, "-m", "dlsim_ij"]
        words = [*dlsim, "simulate", "-o", name, "--size", "128", "-q", "--json"]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        Path(json.loads(done.stdout)["raw"]).rename(folder / "raw.tif")
        for part in ("out", "ImageJ/macros", "ImageJ/plugins"):
            (folder / part).mkdir(parents=True)
        install_macros(folder / "ImageJ")
        (folder / "macro.ijm").write_text(MACRO)
        rows = []
        for state in ("cold", "warm"):
            worker = None
            if state == "warm":
                worker = subprocess.Popen(
                    [*dlsim, "serve"], env=environment, stdout=subprocess.PIPE, text=True
                )
                assert worker.stdout is not None
                worker.stdout.readline()  # where it is
            screen = VirtualDisplay()
            try:
                if worker is not None:
                    call = [
                        "predict",
                        str(folder / "raw.tif"),
                        "-o",
                        str(folder / "out"),
                        "--overwrite",
                        "-q",
                    ]
                    subprocess.run([*dlsim, *call], env=environment, check=True, capture_output=True)
                begin = time.perf_counter()
                times = imagej(folder, screen.start(), options.repeats, environment)
                total = time.perf_counter() - begin
            finally:
                screen.stop()
                if worker is not None:
                    subprocess.run(
                        [*dlsim, "serve", "--stop"], env=environment, check=False, capture_output=True
                    )
                    worker.wait(30)
            for kind, seconds in times.items():
                ordered = sorted(seconds)
                rows.append(
                    {
                        "what": kind,
                        "state": state,
                        "best_s": ordered[0],
                        "median_s": ordered[len(ordered) // 2],
                    }
                )
            rows.append({"what": "all of it, with ImageJ's start", "state": state, "best_s": round(total, 3)})
    for row in rows:
        if options.json:
            print(json.dumps(row))
        else:
            median = f"{row['median_s']:7.3f}" if "median_s" in row else ""
            print(f"{row['what']:32} {row['state']:5} {row['best_s']:7.3f} {median}")
    if options.write is not None:
        best = {(row["what"], row["state"]): f"{row['best_s']:.2f} s" for row in rows}
        names = {
            "exec": '`exec(dlsim, "predict", ...)`',
            "DLSIM Reconstruct": "DLSIM Reconstruct, open image to opened result",
        }
        cells = [[name, best[kind, "cold"], best[kind, "warm"]] for kind, name in names.items()]
        put(options.write, "macro-calls", table(["", "without worker", "with it"], cells))


if __name__ == "__main__":
    main()
