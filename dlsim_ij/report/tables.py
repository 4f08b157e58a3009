"""The numbers of a results folder as metrics.csv, metrics.json and params.json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dlsim_ij
from dlsim_ij.report.document import RunRecord
from dlsim_ij.report.explain import flatten, show
from dlsim_ij.results import plain

GENERATOR = f"dlsim_ij {dlsim_ij.__version__}"
_MARK = "dlsim_ij "
_VERSION_COLUMN = "dlsim_version"


def metrics_csv(records: Sequence[RunRecord]) -> str:
    """Return one row per image; a number that an image does not have stays empty."""
    rows = [
        {
            "input": record.input,
            "name": record.name,
            "model": record.model,
            "verdict_level": record.verdict_level,
            "warnings": len(record.warnings),
            "pixel_size_um": record.images["sr"].pixel_size_um,
            **{key: show(v) if isinstance(v, list) else v for key, v in _numbers(record).items()},
        }
        for record in records
    ]
    header = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=[*header, _VERSION_COLUMN], lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, _VERSION_COLUMN: dlsim_ij.__version__} for row in rows)
    return text.getvalue()


def metrics_json(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return the content of metrics.json, which metrics.schema.json describes."""
    return {
        "generator": GENERATOR,
        "images": [
            {
                "input": record.input,
                "name": record.name,
                "model": record.model,
                "verdict": record.verdict,
                "verdict_level": record.verdict_level,
                "pixel_size_um": record.images["sr"].pixel_size_um,
                "files": {role: image.file for role, image in record.images.items()},
                "metrics": plain(record.metrics),
                "warnings": [warning.to_dict() for warning in record.warnings],
            }
            for record in records
        ],
    }


def params_json(records: Sequence[RunRecord]) -> dict[str, Any]:
    """Return the content of params.json: what is needed to make each result again."""
    return {
        "generator": GENERATOR,
        "runs": [
            {
                "input": record.input,
                "name": record.name,
                "model": record.model,
                "parameters": plain(record.parameters),
                "engine": plain(record.engine),
                "command": record.command,
                "created": record.created,
                "dlsim_version": record.dlsim_version,
            }
            for record in records
        ],
    }


def is_ours(path: Path) -> bool:
    """Tell whether a report file carries our mark, and so may be replaced by a newer one."""
    if not path.is_file():
        return False
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if path.suffix == ".html":
        return f'<meta name="generator" content="{_MARK}' in text[:4096]
    if path.suffix == ".csv":
        return text.partition("\n")[0].endswith(f",{_VERSION_COLUMN}")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and str(data.get("generator", "")).startswith(_MARK)


def _numbers(record: RunRecord) -> dict[str, Any]:
    numbers: dict[str, Any] = plain(flatten(record.metrics))
    return numbers
