"""Picture strips of the paper's tables: structures down, methods across, small enough for the repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TRUTH = "truth: object"  # decides where to look
CROP_PX = 96
GAP_PX = 2
TITLE_PX = 24
GREYS = 32  # what a picture of this kind needs; more would be noise that no PNG can shrink


def draw_strip(rows: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Write one picture: every row a structure, every column a method, all of the same crop.

    The crop is where the truth has most contrast. Each panel goes from the 1 % to the 99.7 % level of its own
    crop: networks and filters have units of their own.
    """
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    step = CROP_PX + GAP_PX
    strip = Image.new("L", (step * len(columns) - GAP_PX, TITLE_PX + step * len(rows) - GAP_PX), 255)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size=9)
    for x, name in enumerate(columns):
        first, _, second = name.partition("(") if "(" in name else name.partition(":")
        draw.text((x * step + 1, 1), first.strip(), fill=0, font=font)
        draw.text((x * step + 1, 12), second.strip(" )"), fill=0, font=font)
    for y, row in enumerate(rows.values()):
        where = _most_contrast(row[TRUTH])
        for x, name in enumerate(columns):
            if name in row:
                strip.paste(Image.fromarray(_panel(row[name][where])), (x * step, TITLE_PX + y * step))
    strip.quantize(GREYS).save(path, optimize=True)


def _most_contrast(truth: np.ndarray) -> tuple[slice, slice]:
    corners = [
        (y, x)
        for y in range(CROP_PX // 2, truth.shape[0] - CROP_PX * 3 // 2 + 1, CROP_PX // 4)
        for x in range(CROP_PX // 2, truth.shape[1] - CROP_PX * 3 // 2 + 1, CROP_PX // 4)
    ]
    places = [np.s_[y : y + CROP_PX, x : x + CROP_PX] for y, x in corners]
    return max(places, key=lambda place: float(truth[place].std()))


def _panel(crop: np.ndarray) -> np.ndarray:
    low, high = np.percentile(crop, (1, 99.7))
    return np.clip(255 * (crop - low) / max(high - low, 1e-9), 0, 255).astype(np.uint8)
