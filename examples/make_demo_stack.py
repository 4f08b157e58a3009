"""Make the stack of `make demo`: microtubules, the paper's microscope, 8 photo-electrons per pixel at the brightest places.

Run it in the folder of the repository; the files in examples/ are made by exactly this.
"""

from pathlib import Path

from dlsim_ij.cli.main import run

HERE = Path(__file__).parent


def main() -> None:
    words = ["simulate", "-o", str(HERE), "--structure", "microtubules", "--photons", "8", "--size", "192"]
    code = run([*words, "--seed", "4", "--overwrite"])
    if code:
        raise SystemExit(code)
    for kind in ("raw", "truth"):
        (HERE / f"microtubules_001_{kind}.tif").replace(HERE / f"demo_{kind}.tif")
    (HERE / "microtubules_001_parameters.json").replace(HERE / "demo_parameters.json")


if __name__ == "__main__":
    main()
