"""One sentence that says whether a result can be used, from the numbers of its run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dlsim_ij.report.document import Level

# Thresholds of judgement, not of physics. Haze and noise of the widefield image lower the RSP of every
# reconstruction alike, so it is held against that of the Wiener image: on the demo stack and the public
# microtubules the network lies at most 0.003 below it, and RSP itself between 0.65 and 0.89.
_RSP_BEHIND_WIENER = 0.05
_RSP_LOW = 0.5
_RSP_LOST = 0.2
_SHARPER = 0.95  # of the widefield resolution: a result must be finer than this
_MUCH_DOUBT = 25.0  # percent of the lit pixels
_UNREPEATED = 1.25  # how much coarser FRC may be than decorrelation analysis


def judge(
    metrics: Mapping[str, Any], *, pattern_snr: float, fit: bool = True, doubts: Sequence[str] = ()
) -> tuple[Level, str]:
    """Judge a result.

    Parameters
    ----------
    metrics : mapping
        Of the run, as :meth:`dlsim_ij.measuring.Measures.metrics` names them. What is missing is not judged.
    pattern_snr : float
        Of the weakest angle of the illumination.
    fit : bool
        The acquisition can be reconstructed at all.
    doubts : sequence of str
        What is wrong with the acquisition, the most serious first.

    Returns
    -------
    level : {"good", "caution", "poor"}
    sentence : str

    Examples
    --------
    >>> numbers = {"resolution_nm": 120.0, "rsp": 0.93, "widefield": {"resolution_nm": 250.0}}
    >>> judge(numbers, pattern_snr=40)
    ('good', 'Resolution 120 nm (widefield 250 nm), RSP 0.93, and a clear pattern in every angle.')
    """
    if not fit:
        return "poor", f"Do not use this image: {_clause(doubts[0])}."
    lost = next(_lost(metrics), None)
    if lost:
        return "poor", f"Do not trust this image: {lost}."
    reasons = [*map(_clause, doubts[:1]), *_reasons(metrics)]
    summary = ", ".join(_summary(metrics))
    if reasons:
        text = "; ".join(reasons[:2])
        return "caution", f"{summary}; but {text}." if summary else f"{text[0].upper()}{text[1:]}."
    if summary:
        return "good", f"{summary}, and a clear pattern in every angle."
    return "good", (
        f"The illumination pattern was found in every angle (lowest signal-to-noise ratio {pattern_snr:.0f})."
    )


def length(metrics: Mapping[str, Any], stem: str) -> str | None:
    """Write the length `stem` of the numbers in nm, or in px where the pixel size is not known.

    Examples
    --------
    >>> length({"resolution_nm": 171.93, "resolution_px": 5.731}, "resolution"), length({}, "resolution")
    ('172 nm', None)
    """
    if (nm := metrics.get(f"{stem}_nm")) is not None:
        return f"{nm:.0f} nm"
    if (px := metrics.get(f"{stem}_px")) is not None:
        return f"{px:.1f} px"
    return None


def _summary(metrics: Mapping[str, Any]) -> Iterator[str]:
    found = length(metrics, "resolution")
    if found:
        even = length(metrics.get("widefield", {}), "resolution")
        yield f"Resolution {found}" + (f" (widefield {even})" if even else "")
    if (rsp := metrics.get("rsp")) is not None:
        wiener = metrics.get("wiener", {}).get("rsp")
        yield f"RSP {rsp:.2f}" + (f" (Wiener image {wiener:.2f})" if wiener is not None else "")


def _lost(metrics: Mapping[str, Any]) -> Iterator[str]:
    rsp = metrics.get("rsp")
    if rsp is not None and rsp < _RSP_LOST:
        yield f"it shows something else than the widefield image (RSP {rsp:.2f})"
    if metrics.get("frc_status") == "no-signal":
        yield "two reconstructions from half of the light share no detail (FRC)"


def _reasons(metrics: Mapping[str, Any]) -> Iterator[str]:
    even = metrics.get("widefield", {})
    if metrics.get("residual_consistent") is False:
        invented = metrics.get("residual_invented", 0) >= metrics.get("residual_missing", 0)
        what = "light that is not in them" if invented else "less light than they do"
        yield f"in places the result shows {what}: the raw frames contradict it, see the residual map"
    doubtful = metrics.get("doubtful_percent")
    if doubtful is not None and doubtful > _MUCH_DOUBT:
        yield (
            f"{doubtful:.0f} % of what it shows is doubtful (the network expects to be off by half there, or "
            "the raw frames object): see the uncertainty and residual maps"
        )
    if metrics.get("enlarged_factor", 1.0) != 1.0:
        yield f"the result holds no more than an image enlarged {metrics['enlarged_factor']:.3g} times"
    if even.get("enlarged_factor", 1.0) != 1.0:
        yield f"the raw frames had been enlarged {even['enlarged_factor']:.3g} times: check their pixel size"
    if metrics.get("resolution_status") not in (None, "ok"):
        yield "the result has no resolution that could be measured (its decorrelation curves have no peak)"
    if metrics.get("residual_pattern"):
        yield "a regular pattern was left in the result, see the warnings"
    found, coarse = metrics.get("resolution_px"), even.get("resolution_px")
    if found is not None and coarse is not None and found > _SHARPER * coarse:
        yield "the result is not sharper than the widefield image"
    finest, limit = metrics.get("resolution_nm"), metrics.get("resolution_limit_nm")
    if finest is not None and limit is not None and finest < limit:
        yield f"finer than optics and illumination pass on ({limit:.0f} nm), so noise or invented detail"
    repeated = metrics.get("frc_resolution_px")
    if found is not None and repeated is not None and repeated > _UNREPEATED * found:
        yield f"only detail down to {length(metrics, 'frc_resolution')} repeats under new noise (FRC)"
    yield from _agreement(metrics)


def _agreement(metrics: Mapping[str, Any]) -> Iterator[str]:
    rsp, wiener = metrics.get("rsp"), metrics.get("wiener", {}).get("rsp")
    if rsp is not None and wiener is not None and rsp < wiener - _RSP_BEHIND_WIENER:
        yield "the result agrees less with the widefield image than the Wiener image does"
    elif rsp is not None and rsp < _RSP_LOW:
        yield "the result agrees poorly with the widefield image"
    if metrics.get("rsp_sigma_at_bound"):
        yield "the blur that fits best is at its bound, so RSP and RSE say little"


def _clause(message: str) -> str:
    """Put a message into a sentence; a capital that belongs to a name stays."""
    text = message.rstrip(".")
    return text if text[1:2].isupper() else f"{text[:1].lower()}{text[1:]}"
