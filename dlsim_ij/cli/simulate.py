"""``dlsim simulate``: raw stacks with known truth."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dlsim_ij.cli import options
from dlsim_ij.cli.simulate_settings import Given, Maker, microscope, optics_of, refuse_pattern_options
from dlsim_ij.errors import ConfigError

if TYPE_CHECKING:
    from dlsim_ij.simulation import Conditions, SimJob, SimulatedStack

_ENDINGS = {
    "raw": "_raw.tif",
    "truth": "_truth.tif",
    "object": "_object.tif",
    "parameters": "_parameters.json",
}
_FOR_PROCESSES = 100 * 128**2  # pixels of a frame; fewer are made before other processes have started


@click.command(epilog="Example: dlsim simulate -o simulated --structure microtubules --photons 300 --count 3")
@click.option("-o", "--output", required=True, type=options.OutputPath, metavar="DIR", help="Output folder.")
@click.option(
    "--structure", "structures", multiple=True, metavar="NAME",
    help="microtubules (default), mitochondria, adhesions (focal), actin (mesh, often with stress fibres), "
    "actin-mesh, stress-fibres, points, beads or siemens-star; may be given several times.",
)  # fmt: skip
@click.option(
    "--object", "object_file", type=options.ExistingPath, metavar="FILE",
    help="Your own object: a picture, or a CSV file of points y,x,brightness in micrometres.",
)  # fmt: skip
@click.option(
    "--object-pixel-size", "object_pixel_um", type=click.FloatRange(0, 1000, min_open=True), metavar="UM",
    help="Of the picture. Without it, and if the file does not tell, the picture fills the field.",
)  # fmt: skip
@click.option(
    "--like", type=options.ExistingPath, metavar="RAW",
    help="Fit pattern, blur, haze, light and camera to this raw stack, and simulate like it.",
)  # fmt: skip
@click.option("--scene", is_flag=True, help="With --like: the stack's own scene as object.")
@click.option(
    "--parameters", "parameters_file", type=options.ExistingPath, metavar="FILE",
    help="A NAME_parameters.json: make that stack again, or more like it.",
)  # fmt: skip
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="Stacks per structure.")
@click.option(
    "--size", "size_px", type=click.IntRange(32, 4096), metavar="PX",
    help="Side of a raw frame in pixels; even.  [default: 128, or as in --like and --parameters]",
)  # fmt: skip
@click.option(
    "--photons", type=click.FloatRange(0.1, 1e6),
    help="Photo-electrons per pixel and frame at the 99.5 % level of the wide-field image.  [default: 300]",
)  # fmt: skip
@click.option(
    "--geometry", type=click.Choice(["paper", "random"]),
    help="The paper's microscope (default), or any directions, periods, haze and camera.",
)  # fmt: skip
@microscope
@click.option(
    "--points-per-pixel", type=click.Choice(["2", "4", "6", "8", "10", "12", "16"]),
    help="Of the grid on which the object is drawn.  [default: 2; points: 8]",
)  # fmt: skip
@click.option("--write-object", is_flag=True, help="Also write the object itself, without any optics.")
@options.threads
@options.seed
@options.overwrite
@options.dry_run
@options.common
def command(
    output: Path,
    structures: tuple[str, ...],
    count: int,
    write_object: bool,
    threads: int | None,
    seed: int,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Make raw SIM stacks with known truth.

    Of each stack three files are written: NAME_raw.tif, NAME_truth.tif (the object as an ideal SIM would show
    it, on pixels half as large) and NAME_parameters.json. The seed fixes every random thing.
    """
    from dlsim_ij.files import make_folder, refuse_existing
    from dlsim_ij.processes import available_processors
    from dlsim_ij.simulation import simulate_batch

    plan = _plan(structures, count, seed, given)
    plan.check()
    endings = {key: end for key, end in _ENDINGS.items() if key != "object" or write_object}
    files = [
        {key: output / f"{name}_{number + 1:03d}{end}" for key, end in endings.items()}
        for name, number in plan.names
    ]
    for paths in files:
        for path in paths.values():
            refuse_existing(path, overwrite)
    rows = [{kind: str(path) for kind, path in paths.items()} for paths in files]
    if dry_run:
        for row in rows:
            options.print_result({**row, "dry_run": True}, as_json, "\n".join(row.values()))
        return
    jobs = [plan.job(number) for number in range(len(rows))]
    make_folder(output)
    work = len(jobs) * plan.size_px[0] * plan.size_px[1]
    n_processes = threads or (available_processors() if work >= _FOR_PROCESSES else 1)
    hidden = not options.show_progress() or len(jobs) == 1
    with click.progressbar(length=len(jobs), label="simulate", file=sys.stderr, hidden=hidden) as bar:
        made = simulate_batch(jobs, n_processes=n_processes)
        for number, ((stack, state), row) in enumerate(zip(made, rows, strict=True)):
            _write(files[number], stack, jobs[number], plan.record(number, state), overwrite)
            extra = {"fit": plan.fit} if plan.fit else {}
            options.print_result({**row, **extra}, as_json, row["raw"])
            bar.update(1)


@dataclass(kw_only=True)
class _Plan:
    """What is to be made: the names, and a job for each."""

    names: list[tuple[str, int]]
    seed: int
    streams: dict[str, int]
    maker: Maker
    size_px: tuple[int, int]
    pixel_size_um: float
    points_per_pixel: int
    given: Given
    fit: dict[str, Any] | None = None
    drawn: dict[str, Any] | None = None
    again: dict[str, Any] | None = None

    def seed_of(self, number: int) -> tuple[int, ...]:
        name, count = self.names[number]
        if number == 0 and self.again and self.again.get("random_seed"):
            return tuple(self.again["random_seed"])
        return (self.seed, self.streams[name], count)

    def check(self) -> None:
        """Refuse what cannot be simulated, before a folder is made."""
        import numpy as np

        from dlsim_ij.simulation.sim_frames import require_grid

        conditions = self.maker(np.random.default_rng(0))
        require_grid(conditions, self.points_per_pixel)
        if conditions.camera.maps is not None:
            conditions.camera.pixel_maps(self.size_px)

    def job(self, number: int) -> SimJob:
        from dlsim_ij.cli.simulate_inputs import read_object
        from dlsim_ij.simulation import SimJob

        if self.drawn is None and self.given["object_file"] is not None:
            grid = (self.size_px[0] * self.points_per_pixel, self.size_px[1] * self.points_per_pixel)
            step_um = self.pixel_size_um / self.points_per_pixel
            self.drawn = {
                "density": read_object(
                    self.given["object_file"], grid, step_um, self.given["object_pixel_um"]
                )
            }
        state = self.again.get("random_state") if number == 0 and self.again else None
        return SimJob(
            structure=self.names[number][0],
            size_px=self.size_px,
            seed=self.seed_of(number),
            make_conditions=self.maker,
            points_per_pixel=self.points_per_pixel,
            pixel_size_um=self.pixel_size_um,
            random_state=_state_from_json(state) if state else None,
            **(self.drawn or {}),
        )

    def record(self, number: int, state: dict[str, Any]) -> dict[str, Any]:
        """Return what the parameters file tells beside the conditions."""
        import dlsim_ij

        name, count = self.names[number]
        file, like = self.given["object_file"], self.given["like"]
        return {
            "structure": name,
            "seed": [self.seed, count],
            "size_px": list(self.size_px),
            "points_per_pixel": self.points_per_pixel,
            "object_file": None if file is None else str(file),
            "object_pixel_size_um": self.given["object_pixel_um"],
            "like": None if like is None else str(like),
            "scene": self.given["scene"],
            "dlsim_ij": dlsim_ij.__version__,
            "random_seed": list(self.seed_of(number)),
            "random_state": _state_to_json(state),
        }


def _plan(structures: tuple[str, ...], count: int, seed: int, given: Given) -> _Plan:
    """Check the options against each other, read what files they name, and decide."""
    from dlsim_ij.cli import simulate_inputs as inputs
    from dlsim_ij.simulation import STRUCTURES, TARGETS

    known = [*STRUCTURES, *TARGETS]
    for name in structures:
        options.pick(name, known, "structure")
        if structures.count(name) > 1:  # their files would have the same names
            raise ConfigError(
                f"the structure '{name}' is given twice", "for more stacks of one, give --count"
            )
    _refuse_contradictions(structures, given)
    if given["psf"] is not None:
        given["psf"] = inputs.read_psf(given["psf"])
    if given["maps"] is not None:
        given["maps"] = inputs.read_maps(given["maps"])
    size_px = given["size_px"]
    if size_px is not None and size_px % 2:
        raise ConfigError(f"a side of {size_px} px is odd", f"give --size {size_px + 1}")
    base: str | Conditions = given["geometry"] or "paper"
    shape = (size_px or 128, size_px or 128)
    pixel_um = optics_of(given).pixel_size_um
    fit, drawn, again = None, None, None
    if given["like"] is not None:
        fitted, shape, fit, drawn = _like(given, shape if size_px else None)
        base, pixel_um = fitted, fitted.optics.pixel_size_um
    elif given["parameters_file"] is not None:
        again, known_base = inputs.read_parameters(given["parameters_file"])
        base, pixel_um = known_base, known_base.optics.pixel_size_um
        shape = (size_px, size_px) if size_px else tuple(again.get("size_px") or shape)
        if structures or given["object_file"] is not None:
            again = None  # another object, other noise
        else:
            structures = _taken_over(again, given, known)
            if list(shape) != again.get("size_px"):
                again.pop("random_state", None)
    file = given["object_file"]
    if file is not None:
        names = [file.stem]
    elif given["scene"]:
        names = [f"{given['like'].stem}_scene"]
    else:
        names = list(structures or ("microtubules",))
    points = given["points_per_pixel"] or (again or {}).get("points_per_pixel")
    if points is None:
        fine = file is not None and file.suffix.lower() in inputs.POINTS_ENDINGS
        points = inputs.POINTS_GRID if fine else _grid(given, base)
    return _Plan(
        names=[(name, number) for name in names for number in range(count)],
        seed=seed,
        streams={name: known.index(name) if name in known else len(known) for name in names},
        maker=Maker(base=base, given=given, photons=given["photons"]),
        size_px=shape,
        pixel_size_um=pixel_um,
        points_per_pixel=int(points),
        given=given,
        fit=fit,
        drawn=drawn,
        again=again,
    )


def _refuse_contradictions(structures: tuple[str, ...], given: Given) -> None:
    sources = {
        "--like": given["like"], "--parameters": given["parameters_file"], "--geometry": given["geometry"]
    }  # fmt: skip
    named = [flag for flag, value in sources.items() if value is not None]
    if len(named) > 1:
        raise ConfigError(f"{named[0]} and {named[1]} both say what the microscope is", "give one of them")
    objects = {"--structure": bool(structures), "--object": given["object_file"] is not None}
    objects["--scene"] = given["scene"]
    asked = [flag for flag, value in objects.items() if value]
    if len(asked) > 1:
        raise ConfigError(f"{asked[0]} and {asked[1]} both say what the object is", "give one of them")
    if given["scene"] and given["like"] is None:
        raise ConfigError("--scene without --like: there is no stack to take it from", "give --like RAW")
    if given["scene"] and given["size_px"] is not None:
        raise ConfigError("--scene and --size: a scene has the size of its stack", "leave out --size")
    if given["parameters_file"] is not None:
        refuse_pattern_options(given, "--parameters")
    if given["like"] is not None:
        refuse_pattern_options(given, "--like", but=("layout", "pixel_size_um", "na", "emission_nm"))
    if given["geometry"] == "random":
        refuse_pattern_options(
            given, "--geometry random", but=("layout", "pixel_size_um", "na", "emission_nm")
        )


def _like(given: Given, shape: tuple[int, int] | None) -> tuple[Any, tuple[int, int], dict[str, Any], Any]:
    """Fit the conditions to the user's stack; return them, the size, the fit for the row, and its scene."""
    import dataclasses

    from dlsim_ij.acquisition import detect_acquisition
    from dlsim_ij.acquisition.layout import parse_layout
    from dlsim_ij.cli.simulate_inputs import read_stack, tell_fit
    from dlsim_ij.errors import LayoutError
    from dlsim_ij.simulation import fit_stack, scene_of

    layout = given["layout"] or "3x5"
    n_angles, n_phases = parse_layout(layout)
    frames, pixel_um, enlarged = read_stack(given["like"], layout, given["pixel_size_um"])
    optics = dataclasses.replace(optics_of(given), pixel_size_um=pixel_um)
    acquisition = detect_acquisition(frames, pixel_um, optics=optics, n_angles=n_angles, n_phases=n_phases)
    if not acquisition.fit:
        raise LayoutError(f"{given['like']}: {acquisition.warnings[0][0]}", acquisition.warnings[0][1])
    fit = fit_stack(frames, optics, n_angles=n_angles, n_phases=n_phases, patterns=acquisition.patterns)
    conditions, drawn = fit.conditions, None
    if given["scene"]:
        scene = scene_of(frames, conditions)
        conditions = scene.conditions
        drawn = {"density": scene.density, "haze_density": scene.haze_density}
    if options.show_progress():
        tell_fit(fit, enlarged, pixel_um)
    row = {key: value for key, value in fit.to_dict().items() if key != "conditions"}
    return conditions, shape or (frames.shape[1], frames.shape[2]), row, drawn


def _taken_over(again: dict[str, Any], given: Given, known: list[str]) -> tuple[str, ...]:
    """Return the structure of a parameters file; its own object file becomes the one to read."""
    if again.get("scene"):
        raise ConfigError(
            f"the object was the scene of {again.get('like')}, which the file does not hold",
            f"run it again: --like {again.get('like')} --scene, or give --structure",
        )
    if again.get("object_file"):
        given["object_file"] = Path(again["object_file"])
        given["object_pixel_um"] = given["object_pixel_um"] or again.get("object_pixel_size_um")
        return (again["structure"],)
    return (options.pick(again["structure"], known, "structure"),)


def _grid(given: Given, base: Any) -> int:
    """Return how many points to a pixel hold what the optics pass."""
    import math

    optics = optics_of(given) if isinstance(base, str) else base.optics
    return max(2, 2 * math.ceil(optics.cutoff_px))


def _state_to_json(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a generator; its 128-bit numbers as words, which any JSON reader keeps."""
    inner = {key: hex(int(value)) for key, value in state["state"].items()}
    return {**state, "state": inner}


def _state_from_json(state: Any) -> dict[str, Any]:
    import numpy as np

    try:
        inner = {key: int(value, 16) for key, value in state["state"].items()}
        np.random.default_rng().bit_generator.state = {**state, "state": inner}
        return {**state, "state": inner}
    except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
        raise ConfigError(
            "'random_state' of the parameters is damaged", "take the whole entry out: the noise will be new"
        ) from error


def _write(
    paths: dict[str, Path], stack: SimulatedStack, job: SimJob, record: dict[str, Any], overwrite: bool
) -> None:
    from dlsim_ij.files import write_json
    from dlsim_ij.images import write_image

    pixel_um = job.pixel_size_um
    labels = [
        f"a{a}p{p}" for a, one in enumerate(stack.conditions.patterns) for p in range(len(one.steps_rad))
    ]
    write_image(paths["raw"], stack.raw, pixel_size_um=pixel_um, labels=labels, overwrite=overwrite)
    write_image(paths["truth"], stack.object, pixel_size_um=pixel_um / 2, overwrite=overwrite)
    if "object" in paths:
        step_um = pixel_um / job.points_per_pixel
        write_image(paths["object"], stack.sample, pixel_size_um=step_um, overwrite=overwrite)
    write_json(paths["parameters"], {**record, **stack.to_dict()}, overwrite=overwrite)
