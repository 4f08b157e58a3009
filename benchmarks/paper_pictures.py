"""Picture strips of the paper's tables: structures down, methods across, small enough for the repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CROP_PX = 96
GAP_PX = 2
TITLE_PX = 24
GREYS = 48  # what a picture of this kind needs; more would be noise that no PNG can shrink


def draw_strip(rows: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Write one picture: every row a structure, every column a method, all of the same crop.

    Each panel goes from the 1 % to the 99.7 % level of its own crop: networks and filters have units of
    their own.
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
        for x, name in enumerate(columns):
            if name in row:
                strip.paste(Image.fromarray(_panel(row[name])), (x * step, TITLE_PX + y * step))
    strip.quantize(GREYS).save(path, optimize=True)


def _panel(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    y, x = (height - CROP_PX) // 2, (width - CROP_PX) // 2
    crop = image[y : y + CROP_PX, x : x + CROP_PX]
    low, high = np.percentile(crop, (1, 99.7))
    return np.clip(255 * (crop - low) / max(high - low, 1e-9), 0, 255).astype(np.uint8)
