"""False and missed alarms of `detect_resampling` on simulated images of known history.

python benchmarks/resampling_guard.py [count] [--json] [--verbose]

`count` acquisitions: five structures, 1.2 to 1000 photons, cameras with other gains, fields of 128 to 256
camera pixels. The first table holds images that nobody enlarged (how many were called enlarged), the second
enlarged ones (how many were missed, how many got a factor more than 1 % off, and by how much the resolution
at the native sampling found differs from that of the image before the enlargement, median; negative where
missed: finer than true).
"""

from __future__ import annotations

import argparse
import io
import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import data, filters, restoration

from dlsim_ij.bundles import shipped_names
from dlsim_ij.images import bicubic_enlarge
from dlsim_ij.inference import load_model, predict
from dlsim_ij.predict_job import takes_blinking
from dlsim_ij.quality.decorrelation import decorrelation_resolution
from dlsim_ij.quality.resampling import detect_resampling
from dlsim_ij.reconstruction import SOFT, VENDOR, WienerFilter, wiener_sim
from dlsim_ij.simulation import STRUCTURES, SimulatedStack, draw_structure, random_conditions, simulate_sim

FACTORS = (1.25, 1.5, 2.0, 3.0, 4.0)


def acquisitions(count: int) -> Iterator[tuple[int, SimulatedStack]]:
    for number in range(count):
        rng = np.random.default_rng([11, number])
        names = list(STRUCTURES)
        conditions = random_conditions(rng)
        side = (256, 384, 512)[number % 3]
        first, second = (
            draw_structure(names[(number + k) % 5], (side, side), conditions.optics.pixel_size_um / 2, rng)
            for k in (0, 1)
        )
        yield number, simulate_sim(first, conditions, rng, haze_density=second)


def plain_images(stack: SimulatedStack, number: int, models: list[Any]) -> dict[str, np.ndarray]:
    """Return images of one acquisition that were not enlarged."""
    rng = np.random.default_rng([12, number])
    raw = stack.raw[0].astype(np.float64)
    truth = np.asarray(stack.object, np.float64)
    sigma = float(np.std(np.diff(np.diff(raw, axis=0), axis=1)) / 2)  # mostly noise
    peak = raw.max()
    images = {
        "raw frame": stack.raw[0],
        "mean of the frames": stack.raw.mean(axis=0),
        "without noise": stack.electrons[0],
        "without noise, rounded": np.rint(10 * stack.electrons[0]).astype(np.uint16),
        "object": truth,
        "object, rounded": np.rint(1000 * truth / truth.max()),
        "object with noise": rng.poisson(np.maximum(truth, 0) * 50 / truth.max()),
        "few photons": rng.poisson(stack.electrons[0] * 2 / stack.electrons[0].max()),
        "white noise": rng.normal(size=raw.shape),
        **{f"Gaussian {s} px": ndimage.gaussian_filter(raw, s) for s in (0.5, 0.7, 1.0, 2.0, 4.0)},
        "Gaussian 1 px, rounded": np.rint(ndimage.gaussian_filter(raw, 1)),
        "without noise, Gaussian 2 px": ndimage.gaussian_filter(np.float64(stack.electrons[0]), 2),
        "median 3 x 3": ndimage.median_filter(raw, 3),
        "mean 3 x 3": ndimage.uniform_filter(raw, 3),
        "total variation": restoration.denoise_tv_chambolle(raw / peak, 0.1),
        "non-local means": restoration.denoise_nl_means(raw, h=0.8 * sigma, patch_size=5, patch_distance=5),
        "unsharp mask": filters.unsharp_mask(raw / peak, 2, 2),
        "rolling background off": np.maximum(raw - ndimage.gaussian_filter(raw, 20), 0),
        "Richardson-Lucy": restoration.richardson_lucy(raw / peak, _psf(1.3), 15),
        "8 bits": np.uint8(255 * (raw - raw.min()) / np.ptp(raw)),
        "clipped at half": np.minimum(raw, np.quantile(raw, 0.97)),
        "binned 2 x 2": raw.reshape(raw.shape[0] // 2, 2, -1, 2).sum((1, 3)),
        "turned by 30 degrees": ndimage.rotate(raw, 30, reshape=False, order=3, mode="mirror")[
            40:-40, 40:-40
        ],
        "moved by 0.3 px": ndimage.shift(raw, (0.3, 0.4), order=1, mode="nearest"),
        "JPEG 90": _jpeg(raw, 90),
        "JPEG 60": _jpeg(raw, 60),
        "hot pixels": np.where(rng.random(raw.shape) < 1e-3, 20 * peak, raw),
        "lines across": raw + 3 * sigma * rng.normal(size=(raw.shape[0], 1)),
        "even columns brighter": raw * np.where(np.arange(raw.shape[1]) % 2, 1.0, 1.05),
        "pattern along both axes": raw * (1 + 0.5 * _wave(raw.shape, 2.6)),
        "Wiener SIM": _wiener(stack),
        "Wiener SIM, soft": _wiener(stack, SOFT),
    }
    for model in models:
        images[f"network {model.name}"] = predict(model, stack.raw, patterns=stack.conditions.patterns).image
    return images


def originals(stack: SimulatedStack, number: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([13, number])
    return {
        "raw": stack.raw[0].astype(np.float64),
        "SIM": _wiener(stack),
        "sharp": rng.poisson(np.maximum(stack.object, 0) * 100 / stack.object.max()).astype(np.float64),
    }


def enlargements() -> dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]]:
    ways: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {}
    for factor in FACTORS:
        ways[f"ImageJ bicubic x{factor:g}"] = factor, lambda x, f=factor: bicubic_enlarge(np.float32(x), f)
        for order, name in ((0, "nearest"), (1, "bilinear"), (3, "cubic spline")):
            ways[f"{name} x{factor:g}"] = (
                factor,
                lambda x, f=factor, o=order: ndimage.zoom(x, f, order=o, grid_mode=True, mode="mirror"),
            )
        ways[f"padded spectrum x{factor:g}"] = factor, lambda x, f=factor: pad_spectrum(x, f)
    ways["Lanczos x2"] = (
        2.0,
        lambda x: np.asarray(
            Image.fromarray(np.float32(x)).resize((2 * x.shape[1], 2 * x.shape[0]), Image.Resampling.LANCZOS)
        ),
    )
    cubic, padded, linear = (ways[f"{n} x2"][1] for n in ("ImageJ bicubic", "padded spectrum", "bilinear"))
    ways["ImageJ bicubic x2, rounded and cut"] = 2.0, lambda x: np.rint(cubic(x))[7:-3, 5:-9]
    ways["ImageJ bicubic x2, 8 bits"] = 2.0, lambda x: _bytes(cubic(x))
    ways["ImageJ bicubic x2, Gaussian 1 px"] = 2.0, lambda x: ndimage.gaussian_filter(cubic(x), 1.0)
    ways["ImageJ bicubic x2, median 3 x 3"] = 2.0, lambda x: ndimage.median_filter(cubic(x), 3)
    ways["ImageJ bicubic x2, background clipped"] = (
        2.0,
        lambda x: np.maximum(cubic(x) - np.quantile(x, 0.5), 0),
    )
    ways["bilinear x2, rounded and cut"] = 2.0, lambda x: np.rint(linear(x))[7:-3, 5:-9]
    ways["padded spectrum x2, rounded and cut"] = 2.0, lambda x: np.rint(padded(x))[7:-3, 5:-9]
    ways["padded spectrum x2, clipped at 0"] = 2.0, lambda x: np.maximum(padded(x - np.quantile(x, 0.2)), 0)
    return ways


def pad_spectrum(image: np.ndarray, factor: float) -> np.ndarray:
    shape = [round(side * factor) for side in image.shape]
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    wide = np.zeros(shape, complex)
    top, left = (new // 2 - old // 2 for new, old in zip(shape, image.shape, strict=True))
    wide[top : top + image.shape[0], left : left + image.shape[1]] = spectrum
    return np.fft.ifft2(np.fft.ifftshift(wide)).real * wide.size / image.size


def _wiener(stack: SimulatedStack, filter: WienerFilter = VENDOR) -> np.ndarray:
    conditions = stack.conditions
    frames = stack.raw - np.float32(conditions.camera.offset_adu)
    return np.float64(wiener_sim(frames, conditions.patterns, conditions.optics, filter=filter))


def _psf(sigma: float) -> np.ndarray:
    point = np.zeros((9, 9))
    point[4, 4] = 1
    return ndimage.gaussian_filter(point, sigma)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.uint8(255 * (image - image.min()) / np.ptp(image))


def _jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stored = io.BytesIO()
    Image.fromarray(_bytes(image)).save(stored, "jpeg", quality=quality)
    return np.asarray(Image.open(stored))


def _wave(shape: tuple[int, ...], period: float) -> np.ndarray:
    y, x = (np.sin(2 * np.pi * np.arange(side) / period) for side in shape)
    return (y[:, None] + x) / 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="one JSON line per kind of image")
    parser.add_argument("--verbose", action="store_true", help="name each false and missed alarm")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    models = [load_model(name) for name in shipped_names()]
    models = [model for model in models if not takes_blinking(model)]
    plain, missed = defaultdict(list), defaultdict(list)
    unaltered: list[bool] = []
    for number, stack in acquisitions(options.count):
        for name, image in plain_images(stack, number, models).items():
            looks = {name: detect_resampling(image)}
            if name.startswith("network"):  # as `dlsim run` looks at what it has made
                looks[f"{name}, unaltered"] = detect_resampling(image, unaltered=True)
            for kind, found in looks.items():
                plain[kind].append(found)
                if found.enlarged and options.verbose:
                    print(f"  false: {number} {kind} {found}", flush=True)
        for source, image in originals(stack, number).items():
            before = decorrelation_resolution(image).resolution_px
            for name, (factor, enlarge) in enlargements().items():
                enlarged = enlarge(image)
                found = detect_resampling(enlarged)
                if "," not in name:  # nothing was done to it afterwards
                    again = detect_resampling(enlarged, unaltered=True)
                    unaltered.append(again.enlarged == found.enlarged)
                after = decorrelation_resolution(found.native).resolution_px
                error = (after * found.factor / factor / before - 1) if after and before else None
                missed[source, name].append((found, factor, error))
                if not found.enlarged and options.verbose:
                    print(f"  missed: {number} {source} {name} {found}", flush=True)
    for name in ("camera", "coins", "cell", "brick", "grass", "gravel"):
        plain[f"skimage {name}"].append(detect_resampling(getattr(data, name)()))
    for name, results in plain.items():
        row = {
            "not enlarged": name,
            "images": len(results),
            "false alarms": sum(r.enlarged for r in results),
            "strongest line": round(max(r.strength for r in results), 1),
            "most coherent": round(max(r.coherence for r in results), 2),
            "largest drop": round(max(r.border_drop for r in results), 2),
        }
        _print(row, options.json)
    for (source, name), cases in missed.items():
        errors = [abs(e) for found, _, e in cases if found.enlarged and e is not None]
        kept = [e for found, _, e in cases if not found.enlarged and e is not None]
        row = {
            "enlarged": f"{source}, {name}",
            "images": len(cases),
            "missed": sum(not found.enlarged for found, _, _ in cases),
            "wrong factor": sum(found.enlarged and abs(found.factor / f - 1) > 0.01 for found, f, _ in cases),
            "median error of the resolution": round(float(np.median(errors)), 3) if errors else None,
            "where missed": round(float(np.median(kept)), 3) if kept else None,
        }
        _print(row, options.json)
    false = sum(r.enlarged for results in plain.values() for r in results)
    count = sum(len(results) for results in plain.values())
    lost = sum(not found.enlarged for cases in missed.values() for found, _, _ in cases)
    total = sum(len(cases) for cases in missed.values())
    summary = {"false alarms": f"{false}/{count}", "missed": f"{lost}/{total}"}
    agreed = f"{sum(unaltered)}/{len(unaltered)}"
    _print({**summary, "the same if known to be unaltered": agreed}, options.json)


def _print(row: dict[str, Any], as_json: bool) -> None:
    print(json.dumps(row) if as_json else "  ".join(f"{k}: {v}" for k, v in row.items()), flush=True)


if __name__ == "__main__":
    main()
