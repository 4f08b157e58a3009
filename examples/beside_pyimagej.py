"""The same work with PyImageJ's calls and with ours, on one Fiji in one process.

    DLSIM_FIJI=~/Fiji.app python examples/beside_pyimagej.py

Needs a local Fiji, ``pip install 'dlsim-ij[fiji]'`` and PyImageJ's two imglyb jars (docs/fiji.md), and no
network.
Whoever has a gateway from ``imagej.init()`` already, as in a notebook, gives it: ``Fiji(gateway=ij)``.
"""

import numpy as np
import xarray as xr

import dlsim_ij as dlsim


def main() -> None:
    fiji = dlsim.Fiji(engine="fiji").start()
    ij = fiji.gateway  # PyImageJ's own object: ops, converters, everything that we do not wrap
    if not hasattr(ij, "py"):
        raise SystemExit("this Fiji was opened without PyImageJ: see dlsim doctor")
    print(fiji.describe())

    pixels = np.random.default_rng(0).random((256, 256)).astype(np.float32)
    image = xr.DataArray(pixels, dims=("Y", "X"), attrs={"pixel_size_um": 0.06})

    # PyImageJ: to Java, run a plugin on the open image, back
    there = ij.py.to_imageplus(xr.DataArray(pixels, dims=("row", "col"))).duplicate()
    ij.py.run_plugin("Gaussian Blur...", {"sigma": 2}, imp=there)
    theirs = np.asarray(ij.py.from_java(there))

    # ours: one call, which raises if the command does; the calibration goes along
    ours = fiji.run_command("Gaussian Blur...", {"sigma": 2}, image).image
    print("the same image:", bool(np.allclose(theirs, ours.values, atol=1e-6)))
    print("pixel size kept:", ours.attrs["pixel_size_um"])

    # PyImageJ: outputs are declared with #@; ours: what the macro returns, its tables, its images
    code = '#@ String word\n#@output String said\nsaid = word + "!";'
    print("theirs says", ij.py.run_macro(code, {"word": "hello"}).get("said"))
    print("ours says", fiji.run_macro('return getArgument() + "!";', "hello").value)

    table = fiji.run_command("Measure", "", ours).tables["Results"]
    print("the same measurement:", abs(table["Mean"][0] - float(ours.mean())) < 1e-3)

    # a mistake: ours names the line, PyImageJ's call comes back empty
    try:
        fiji.run_macro('a = 1;\nrun("Gausian Blur...", "sigma=2");', image=image)
    except dlsim.DlsimError as error:
        print("a mistake:", error)

    # and the other way: a macro calls Python
    print(fiji.run_macro('return Ext.dlsim("resolution", "get=status");', image=ours).value)


if __name__ == "__main__":
    main()
