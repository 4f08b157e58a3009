"""Damage to bytes and to text, as files suffer it and as nobody means well."""

from __future__ import annotations

import json
import random
import re
from typing import Any

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
WORDS = (
    "", "0", "-1", "1e999", "nan", "NaN", "Infinity", "-inf", "99999999999999999999", "1000000", "0.1",
    "null", "true", '"x"', "[]", "{}", "[[1]]", "[" * 2000, '{"a":' * 2000, "ü\u2028", "\0", "A" * 5000,
    "../../../etc/passwd", "/dev/zero", "/dev/full", "&a; *a &a", "!!python/object/apply:os.system [id]",
    "<<: *a", "%s%n", "${HOME}", "$(id)", "a\nb", "\ud800", "]]>", "key=[", "=", '"', "'", "--help", "\\",
    '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
)  # fmt: skip
VALUES = (
    None, True, False, 0, -1, 1, 2, 1e-300, 1e308, -1e308, float("nan"), float("inf"), 10**30,
    1_000_000, "", "x", "1", "../../x", "A" * 5000, [], {}, [0], [None], [[]], {"a": 1}, [1.5] * 20, "\ud800",
)  # fmt: skip
BOMBS = (
    "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
    ),
    "<?xml version='1.0'?><!DOCTYPE z [<!ENTITY a 'lol'>" + "".join(
        f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
    ) + "]><OME>&k;</OME>",
    "[" * 100_000,
    '{"a":' * 100_000,
    "? " * 20_000,
    "- " * 20_000,
)  # fmt: skip
_TOKEN = re.compile(r"[A-Za-z_][\w.-]*|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[^\w\s]")


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Change a few bytes, cut, double, drop or insert pieces."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        size = len(damaged)
        if not size:
            break
        # headers matter most, and they stand at one end or the other
        at = rng.choice(
            (rng.randrange(size), rng.randrange(min(size, 200)), size - 1 - rng.randrange(min(size, 400)))
        )
        kind = rng.randrange(8)
        length = rng.choice((1, 2, 4, 8, rng.randrange(1, 1 + size)))
        if kind == 0:
            damaged[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            damaged[at] = rng.randrange(256)
        elif kind == 2:
            width = rng.choice((1, 2, 4, 8))
            order = rng.choice(("little", "big"))
            value = rng.choice(NUMBERS) & ((1 << 8 * width) - 1)
            damaged[at : at + width] = value.to_bytes(width, order)
        elif kind == 3:
            del damaged[at : at + length]
        elif kind == 4:
            damaged[at:at] = damaged[at : at + min(length, 4096)]
        elif kind == 5:
            damaged[at:at] = rng.randbytes(min(length, 64))
        elif kind == 6:
            damaged[at : at + length] = bytes(min(length, size - at))
        else:
            del damaged[at:]
    return bytes(damaged)


def mutate_text(text: str, rng: random.Random) -> str:
    """Put something else in the place of numbers, words and marks; or drop, double and move them."""
    if rng.random() < 0.02:
        return rng.choice(BOMBS)
    tokens = [(match.start(), match.end()) for match in _TOKEN.finditer(text)]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not tokens:
            break
        start, end = rng.choice(tokens)
        kind = rng.randrange(6)
        if kind < 3:
            new = rng.choice(WORDS)
        elif kind == 3:
            new = ""
        elif kind == 4:
            new = text[start:end] * 2
        else:
            other = rng.choice(tokens)
            new = text[other[0] : other[1]]
        text = text[:start] + new + text[end:]
        tokens = [(m.start(), m.end()) for m in _TOKEN.finditer(text)]
    if rng.random() < 0.05:
        text = text[: rng.randrange(1 + len(text))]
    return text


def mutate_text_bytes(data: bytes, rng: random.Random) -> bytes:
    """Mutate text as text mostly, sometimes as bytes."""
    if rng.random() < 0.15:
        return mutate_bytes(data, rng)
    return mutate_text(data.decode("utf-8"), rng).encode("utf-8", "surrogatepass")


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """Put other values in the place of values, drop keys and entries, mostly; the rest is text."""
    if rng.random() < 0.3:
        return mutate_text_bytes(data, rng)
    content = json.loads(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = _places(content)
        if not places:
            break
        inside, key = rng.choice(places)
        kind = rng.randrange(5)
        if kind == 0:
            del inside[key]
        elif kind == 1 and isinstance(inside[key], (int, float)):
            inside[key] *= rng.choice((-1, 1e-6, 1e6, 1.5))
        elif kind == 2 and isinstance(inside[key], list):
            inside[key] = inside[key][:-1] if rng.random() < 0.5 else inside[key] * 2
        else:
            inside[key] = rng.choice(VALUES)
    return json.dumps(content).encode()


def _places(content: Any) -> list[tuple[Any, Any]]:
    """Return every (container, key or position) of nested JSON."""
    found: list[tuple[Any, Any]] = []
    if isinstance(content, dict | list):
        for key in content if isinstance(content, dict) else range(len(content)):
            found += [(content, key), *_places(content[key])]
    return found
