r"""The paper's comparison on fixed simulated test sets: structures x methods x measures, and cross-structure.

    python benchmarks/paper_tables.py -o tables                                   # the package's models
    python benchmarks/paper_tables.py -o tables --own sim15 sim3 lowlight --seed-runs runs/seed \
        --own-runs runs/own-short --per-structure runs/seed-one --fields 32
    python benchmarks/paper_tables.py -o tables --own runs/mine/model --fields 2  # a quick look
    python benchmarks/paper_tables.py -o tables --again --write docs/paper-tables.md

A run that was stopped goes on where it was, and more fields or another model are added: the folder keeps what
was measured, by field and weights, in paper_values.json (delete it after a change of the code).
Writes paper_tables.md, paper_tables.json (every number with its 95 % interval) and one picture strip for each
light into the folder. The fields are those of fixed_fields.py, which no training and no choice ever
used, at 300 photons per pixel and at 1/100 of that. Networks of the seed (train_seed_networks.py makes the
folders) are applied at the light they were made for; what is not given is left out and named.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import shlex
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from doc_tables import put
from fixed_fields import INNER, STRUCTURES, Field, one_field
from paper_methods import (
    EXPECTED_OWN,
    SCHEDULES,
    SHORT,
    WIDEFIELD,
    WIENER,
    Method,
    conventional,
    left_out,
    own_models,
    per_structure,
    seed_networks,
    short_models,
)
from paper_pictures import draw_strip

import dlsim_ij
from dlsim_ij.bundles import shipped_names
from dlsim_ij.files import make_folder, write_json, write_text
from dlsim_ij.quality import decorrelation_resolution, fair_scores, mean_interval, rse_rsp
from dlsim_ij.reconstruction import widefield

VALUES = "paper_values.json"
LEVELS = {"normal": 300.0, "low": 3.0}
TRUTHS = {"object": "the clean object", "vendor": "the vendor-like image without noise"}
COLUMNS = {  # what the tables show: heading, digits
    "resolution_nm": ("resolution nm", 0),
    "object_psnr_db": ("PSNR dB", 1),
    "object_nrmse": ("NRMSE", 3),
    "object_ssim": ("SSIM", 3),
    "vendor_psnr_db": ("PSNR dB, vendor-like", 1),
    "vendor_nrmse": ("NRMSE, vendor-like", 3),
    "vendor_ssim": ("SSIM, vendor-like", 3),
    "rsp": ("RSP", 3),
}
Values = dict[tuple[str, str, str, str], dict[str, list[float]]]  # structure, light, method, trained on


def measure_image(
    image: np.ndarray, field: Field, reference: np.ndarray, native: np.ndarray | None
) -> dict[str, float]:
    """Return all measures of one image; the resolution is missing where no curve has a peak.

    `native` is the image before it was enlarged, if it was: an enlarged one would report its own pixels.
    """
    pixel_um = field.stack.conditions.optics.pixel_size_um
    found = decorrelation_resolution(
        image if native is None else native, pixel_um / 2 if native is None else pixel_um
    )
    values = {"rsp": float(rse_rsp(reference, image).rsp)}
    if found.status == "ok" and found.resolution_um is not None:
        values["resolution_nm"] = 1000 * found.resolution_um
    for name, truth in (("object", field.object), ("vendor", field.wiener)):
        if image is truth:
            continue
        scores = fair_scores(truth[INNER], image[INNER])
        values |= {
            f"{name}_psnr_db": scores.psnr_db,
            f"{name}_nrmse": scores.nrmse,
            f"{name}_ssim": scores.ssim,
        }
    return values


def measure(methods: list[Method], fields: int, pictures: dict[Any, np.ndarray] | None, kept: Path) -> Values:
    """Apply every method to every field; keep the images of the first field of each structure.

    `kept` is a file of what was measured before, by field, method and weights, written after each field.
    """
    known: dict[str, dict[str, float]] = {}
    if kept.exists():
        known = json.loads(kept.read_text(encoding="utf-8"))
    values: Values = defaultdict(lambda: defaultdict(list))
    truths = [Method("truth: object", lambda f: f.object), Method("truth: vendor-like", lambda f: f.wiener)]
    for number, structure in itertools.product(range(fields), STRUCTURES):
        start, reference = time.process_time(), None
        due = [
            (light, method, f"{structure}/{number}/{light}/{method.name}/{method.trained_on}/{method.sum}")
            for light in LEVELS
            for method in [*methods, *truths]
            if method.light in (None, light)
        ]
        draws = pictures is not None and number == 0
        exposed = {}
        if draws or any(key not in known for _, _, key in due):
            exposed = {f.photons: f for f in one_field(structure, number, list(LEVELS.values()))}
            # the same field in bright light: what a user compares with
            reference = widefield(exposed[LEVELS["normal"]].stack.raw)
        for light, method, key in due:
            if key not in known or (draws and not method.trained_on):
                field = exposed[LEVELS[light]]
                image = method.make(field)
                if draws and pictures is not None and not method.trained_on:
                    pictures[structure, light, method.name] = image
                if key not in known:
                    assert reference is not None  # there is a field
                    native = widefield(field.stack.raw) if method.name == WIDEFIELD else None
                    known[key] = measure_image(image, field, reference, native)
            row = values[structure, light, method.name, method.trained_on]
            for name, value in known[key].items():
                row[name].append(value)
        if exposed:
            write_json(kept, known, overwrite=True)
        spent = time.process_time() - start
        print(f"{structure} {number}: {spent:.0f} s of processor time", file=sys.stderr, flush=True)
    return values


def summary(values: Values) -> list[dict[str, Any]]:
    """Return the means with their intervals, one record per structure, light and method."""
    records = []
    for (structure, light, name, trained_on), columns in values.items():
        means = {key: mean_interval(numbers).to_dict() for key, numbers in columns.items()}
        records.append(
            {
                "structure": structure, "light": light, "photons": LEVELS[light], "method": name,
                "trained_on": trained_on, **means,
            }
        )  # fmt: skip
    return records


def best_wiener(records: Iterable[dict[str, Any]], structure: str, light: str, truth: str = "object") -> str:
    """Return the setting that is nearest to a truth for that structure and light."""
    found = [
        r for r in records
        if (r["structure"], r["light"]) == (structure, light) and r["method"].startswith(WIENER)
    ]  # fmt: skip
    return str(max(found, key=lambda record: record[f"{truth}_psnr_db"]["mean"])["method"])


def cell(record: dict[str, Any] | None, column: str) -> str:
    if record is None or column not in record:
        return ""
    return f"{record[column]['mean']:.{COLUMNS[column][1]}f}"


def overview(records: list[dict[str, Any]], light: str) -> list[str]:
    """PSNR against the object, methods by structures, with half the width of the 95 % interval."""
    lines = ["| method | " + " | ".join(STRUCTURES) + " |", "|---" * 5 + "|"]
    found = {(r["structure"], r["method"]): r for r in _of(records, light)}
    for name in dict.fromkeys(r["method"] for r in _of(records, light)):
        cells, wins = [], False
        for structure in STRUCTURES:
            record = found.get((structure, name))
            mean = None if record is None else record.get("object_psnr_db")
            half = "" if mean is None or mean["low"] is None else f" ± {mean['mean'] - mean['low']:.1f}"
            cells.append("" if mean is None else f"{mean['mean']:.1f}{half}")
            wins |= mean is not None
        if wins:
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _of(records: list[dict[str, Any]], light: str) -> list[dict[str, Any]]:
    return [r for r in records if r["light"] == light and not r["trained_on"]]


def full_table(records: list[dict[str, Any]], structure: str, light: str) -> list[str]:
    lines = ["| method | " + " | ".join(title for title, _ in COLUMNS.values()) + " |"]
    lines.append("|---" * (1 + len(COLUMNS)) + "|")
    kept = {best_wiener(records, structure, light, truth) for truth in TRUTHS}
    for record in _of(records, light):
        name = record["method"]
        if record["structure"] != structure or (name.startswith(WIENER) and name not in kept):
            continue
        lines.append(f"| {name} | " + " | ".join(cell(record, column) for column in COLUMNS) + " |")
    return lines


def matrix(records: list[dict[str, Any]]) -> list[str]:
    """Networks trained on one structure, on all structures: PSNR against the vendor-like truth."""
    lines: list[str] = []
    for name in dict.fromkeys(r["method"] for r in records if r["trained_on"]):
        mine = [r for r in records if r["method"] == name]
        found = {(r["trained_on"], r["structure"]): r for r in mine}
        lines += ["", f"### {name}", ""]
        lines += ["| trained on | " + " | ".join(STRUCTURES) + " |", "|---" * 5 + "|"]
        for trained_on in dict.fromkeys(r["trained_on"] for r in mine):
            cells = [cell(found.get((trained_on, s)), "vendor_psnr_db") for s in STRUCTURES]
            lines.append(f"| {trained_on or 'all'} | " + " | ".join(cells) + " |")
        light = mine[0]["light"]
        for own in dict.fromkeys(r["method"] for r in _of(records, light)):
            if own.partition(":")[0] in EXPECTED_OWN and own.endswith("wiener"):
                by = {r["structure"]: r for r in _of(records, light) if r["method"] == own}
                cells = [cell(by.get(s), "vendor_psnr_db") for s in STRUCTURES]
                lines.append(f"| {own}, one model for all | " + " | ".join(cells) + " |")
    return lines


def page(records: list[dict[str, Any]], fields: int, missing: list[str], pictures: bool) -> str:
    """Return the tables as Markdown."""
    words = shlex.join(["python", *sys.argv])
    settings = sum(method.name.startswith(WIENER) for method in conventional())
    lines = [
        f"Made by `{words}`; {fields} fields of each structure.",
        "",
        "PSNR, NRMSE and SSIM after the best gain and offset, in the range of the truth: "
        f"{TRUTHS['object']}, and {TRUTHS['vendor']} where a column says so. Resolution by decorrelation "
        "analysis, of the widefield image before it is enlarged. RSP against the widefield image of the "
        f"same field at 300 photons. Wiener: of {settings} settings, the best for that structure and light "
        "against either truth. ± is half the 95 % interval of the mean.",
    ]
    if any(record["method"].endswith(SHORT) for record in records):
        lines[-1] += f" {SHORT}: our recipe, trained for no more processor time than a network of the seed."
    if missing:
        lines += ["", "Left out, as no model was given: " + ", ".join(missing) + "."]
    for light, level in LEVELS.items():
        lines += ["", f"## {level:g} photons per pixel ({light} light)", ""]
        if pictures:
            lines += [f"![one field of each structure](paper_{light}.png)", ""]
        lines += ["PSNR against the object, dB:", "", *overview(records, light)]
        for structure in STRUCTURES:
            lines += ["", f"### {structure}, {light} light", "", *full_table(records, structure, light)]
    cross = matrix(records)
    if cross:
        lines += ["", "## Other structures than the one trained on"]
        lines += ["", "PSNR against the vendor-like truth, dB.", *cross]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--fields", type=int, default=32, help="of each structure")
    shipped = [name for name in EXPECTED_OWN if name in shipped_names()]
    parser.add_argument("--own", nargs="*", default=shipped, help="shipped names, or model folders")
    parser.add_argument("--own-runs", type=Path, help="folder of train_own_networks.py")
    parser.add_argument("--seed-runs", type=Path, help="folder of train_seed_networks.py")
    parser.add_argument("--per-structure", type=Path, help="folder of such folders, one for each structure")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put all of it into a page")
    parser.add_argument("--again", action="store_true", help="only write: take what is in the folder")
    given = parser.parse_args()
    if given.again:
        into_page(given.output, given.write)
        return
    torch.set_num_threads(given.threads)
    methods = [*conventional(), *own_models(given.own, device=given.device)]
    if given.own_runs:
        methods += short_models(given.own_runs, device=given.device)
    if given.seed_runs:
        methods += seed_networks(given.seed_runs, device=given.device)
    if given.per_structure:
        methods += per_structure(given.per_structure, device=given.device)
    pictures: dict[Any, np.ndarray] = {}
    make_folder(given.output)
    drawn = None if given.no_pictures else pictures
    records = summary(measure(methods, given.fields, drawn, given.output / VALUES))
    missing = left_out(methods)
    facts = {
        "command": shlex.join(["python", *sys.argv]), "fields": given.fields, "left_out": missing,
        "dlsim_ij": dlsim_ij.__version__, "torch": torch.__version__, "python": platform.python_version(),
        "rows": records,
    }  # fmt: skip
    write_json(given.output / "paper_tables.json", facts, overwrite=True)
    if not given.no_pictures:
        for light in LEVELS:
            rows = {}
            for structure in STRUCTURES:
                kept = best_wiener(records, structure, light)
                rows[structure] = {
                    WIENER if name == kept else name: image
                    for (s, at, name), image in pictures.items()
                    if (s, at) == (structure, light)
                    and (not name.startswith(WIENER) or name == kept)
                    and not name.endswith((f"({SCHEDULES[0]})", SHORT))  # one schedule is enough to look at
                }
            draw_strip(rows, given.output / f"paper_{light}.png")
    text = page(records, given.fields, missing, not given.no_pictures)
    write_text(given.output / "paper_tables.md", text, overwrite=True)
    print(text)
    if given.write is not None:
        into_page(given.output, given.write)


def into_page(folder: Path, page_path: Path) -> None:
    """Put the tables into a page, and the pictures beside it."""
    text = (folder / "paper_tables.md").read_text(encoding="utf-8")
    for picture in folder.glob("paper_*.png"):
        shutil.copyfile(picture, page_path.parent / "images" / picture.name)
        text = text.replace(f"]({picture.name})", f"](images/{picture.name})")
    put(page_path, "paper-tables", text)


if __name__ == "__main__":
    main()
