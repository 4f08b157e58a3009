"""``dlsim simulate``: raw stacks with known truth."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dlsim_ij.cli import options


@click.command(epilog="Example: dlsim simulate -o simulated --structure microtubules --photons 300 --count 3")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Output folder.")
@click.option(
    "--structure", "structures", multiple=True, default=("microtubules",), show_default=True, metavar="NAME",
    help="microtubules, mitochondria, adhesions, actin or points; may be given several times.",
)  # fmt: skip
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="Stacks per structure.")
@click.option(
    "--size", "size_px", type=click.IntRange(32, 4096), default=128, show_default=True,
    help="Side of a raw frame in pixels; even.",
)  # fmt: skip
@click.option(
    "--photons", type=click.FloatRange(0.1, 1e6), default=300.0, show_default=True,
    help="Photo-electrons per pixel and frame at the 99.5 % level of the wide-field image.",
)  # fmt: skip
@click.option(
    "--geometry", type=click.Choice(["paper", "random"]), default="paper", show_default=True,
    help="The paper's microscope, or any directions, periods, haze and camera.",
)  # fmt: skip
@options.seed
@options.overwrite
@options.dry_run
@options.common
def command(
    output: Path,
    structures: tuple[str, ...],
    count: int,
    size_px: int,
    photons: float,
    geometry: str,
    seed: int,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make raw SIM stacks with known truth.

    Of each stack three files are written: NAME_raw.tif (15 frames), NAME_truth.tif (the object as an ideal
    SIM would show it, on pixels half as large) and NAME_parameters.json. The seed fixes every random thing.
    """
    import numpy as np

    from dlsim_ij.errors import ConfigError
    from dlsim_ij.files import make_folder, refuse_existing, write_json
    from dlsim_ij.images import write_image
    from dlsim_ij.simulation import STRUCTURES, random_conditions, simulate_sim
    from dlsim_ij.simulation.sim_frames import paper_conditions
    from dlsim_ij.simulation.structures import draw_structure

    if size_px % 2:
        raise ConfigError(f"a side of {size_px} px is odd", f"give --size {size_px + 1}")
    for name in structures:
        options.pick(name, list(STRUCTURES), "structure")
        if structures.count(name) > 1:  # their files would have the same names
            raise ConfigError(
                f"the structure '{name}' is given twice", "for more stacks of one, give --count"
            )
    jobs = [(name, number) for name in structures for number in range(count)]
    endings = {"raw": "_raw.tif", "truth": "_truth.tif", "parameters": "_parameters.json"}
    files = {
        job: {k: output / f"{job[0]}_{job[1] + 1:03d}{end}" for k, end in endings.items()} for job in jobs
    }
    for paths in files.values():
        for path in paths.values():
            refuse_existing(path, overwrite)
    if not dry_run:
        make_folder(output)
    hidden = dry_run or not options.show_progress() or len(jobs) == 1
    with click.progressbar(jobs, label="simulate", file=sys.stderr, hidden=hidden) as bar:
        for name, number in bar:
            paths = files[name, number]
            row = {kind: str(path) for kind, path in paths.items()}
            if dry_run:
                options.print_result({**row, "dry_run": True}, as_json, "\n".join(row.values()))
                continue
            rng = np.random.default_rng([seed, list(STRUCTURES).index(name), number])
            shape = (2 * size_px, 2 * size_px)
            pixel_um = 0.06
            density = draw_structure(name, shape, pixel_um / 2, rng)
            haze = draw_structure(name, shape, pixel_um / 2, rng)
            make = paper_conditions if geometry == "paper" else random_conditions
            conditions = make(rng, photons=(photons, photons))
            stack = simulate_sim(density, conditions, rng, haze_density=haze)
            labels = [f"a{a}p{p}" for a in range(3) for p in range(5)]
            write_image(paths["raw"], stack.raw, pixel_size_um=pixel_um, labels=labels, overwrite=overwrite)
            write_image(paths["truth"], stack.object, pixel_size_um=pixel_um / 2, overwrite=overwrite)
            parameters = {"structure": name, "seed": [seed, number], **stack.to_dict()}
            write_json(paths["parameters"], parameters, overwrite=overwrite)
            options.print_result(row, as_json, row["raw"])
