"""Lines of ``dlsim resolution`` for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlsim_ij.quality.spread import Spread


def record_text(record: Mapping[str, Any], name: str, heading: bool) -> str:
    """Return the line of a record, under a heading if it is the first."""
    columns = [
        ("resolution", _length(record["resolution_nm"], record["resolution_px"], record["status"]), 13),
        ("px", _cell(record["resolution_px"], ".3f"), 8),
        ("kc", _cell(record["kc"], ".4f"), 7),
        ("kc GM", _cell(record["kc_gm"], ".4f"), 7),
        ("A0", _cell(record["a0"], ".4f"), 7),
    ]
    spread = record.get("spread")
    if "spread" in record:
        shown = "-" if not spread or spread["sd"] is None else f"± {spread['sd']:.3g} {spread['unit']}"
        columns.insert(1, ("spread", shown, 12))
    if "plugin" in record:
        his = record["plugin"] or {"resolution_um": None, "resolution_px": None, "status": "-"}
        columns.insert(1, ("plugin", _of_length(his), 12))
    if "directions" in record:
        ratio = (record["directions"] or {}).get("anisotropy")
        columns.append(("worst/best", _cell(ratio, ".2f"), 10))
    if "frc" in record:
        frc = record["frc"] or {"resolution_um": None, "resolution_px": None, "status": "-"}
        columns.append(("FRC", _of_length(frc), 12))
    line = " ".join(f"{cell:>{width}}" for _, cell, width in columns) + f"  {name}"
    if record["enlarged"]:
        line += f"  (enlarged x{record['factor']:g})"
    if not heading:
        return line
    return " ".join(f"{title:>{width}}" for title, _, width in columns) + "  image\n" + line


def spread_text(what: str, spread: Spread) -> str:
    """Return the line that ends a stack."""
    style = ".1f" if spread.unit == "nm" else ".3f"
    sd = "" if spread.sd is None else f" ± {spread.sd:{style}} {spread.unit} (SD)"
    return (
        f"{what}: mean {spread.mean:{style}}{sd}, median {spread.median:{style}} {spread.unit}, "
        f"n = {spread.n} of {spread.n + spread.n_failed} planes"
    )


def _length(nm: float | None, px: float | None, status: str) -> str:
    if nm is not None:
        return f"{nm:.1f} nm"
    return status if px is None else f"{px:.3f} px"


def _of_length(found: Mapping[str, Any]) -> str:
    um = found["resolution_um"]
    return _length(None if um is None else 1000 * um, found["resolution_px"], found["status"])


def _cell(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)
