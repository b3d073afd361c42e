"""The picture of the house in docs/architecture.md, made from the imports.

`python -m docs.house`, from the repository's root, writes `docs/figures/house.svg`; a test says
where that is not what the imports make of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import wrap
from xml.sax.saxutils import escape

from tests.imports import PACKAGE, files, imports, wing_of

PICTURE = Path(__file__).parent / "figures" / "house.svg"

_WIDTH, _MARGIN = 900, 60
_BOX, _TALL, _GAP, _STEP = 244, 74, 16, 106
_FACE = "bayesgmm"
_STYLE = """
    text { font-family: sans-serif; font-size: 12px; fill: #333; }
    .wing { font-weight: bold; font-size: 14px; fill: #111; }
    .floor { font-size: 13px; fill: #777; }
    rect { fill: #eef4fa; stroke: #5b84a8; }
    .paper { fill: #fff; stroke: none; }
    path { fill: none; stroke: #8a6d3b; stroke-width: 1.4; marker-end: url(#arrow); }
"""


@cache
def known() -> dict[str, frozenset[str]]:
    """The wings that each wing imports; the face's imports are the names it has."""
    found: dict[str, set[str]] = {}
    for name in files():
        wing = wing_of(name) or (_FACE if not name else "")
        if wing:
            found.setdefault(wing, set()).update(map(wing_of, imports(name)))
    return {wing: frozenset(others - {wing, ""}) for wing, others in found.items()}


@cache
def floor(wing: str) -> int:
    """One above the highest that it imports."""
    return 1 + max(map(floor, known()[wing]), default=0)


@cache
def below(wing: str) -> frozenset[str]:
    """All that it imports, over however many others."""
    return known()[wing].union(*map(below, known()[wing]))


@cache
def arrows(wing: str) -> frozenset[str]:
    """What it imports, but for what those import in their turn."""
    return frozenset(w for w in known()[wing] if not any(w in below(v) for v in known()[wing]))


@cache
def places() -> dict[str, tuple[float, int]]:
    """Middle and top of each wing's box: a wing stands under those that import it."""
    top = max(map(floor, known()))
    found: dict[str, tuple[float, int]] = {}
    for level in range(top, 0, -1):
        wings = sorted(
            (w for w in known() if floor(w) == level), key=lambda w: (_pull(w, found), w)
        )
        for i, wing in enumerate(wings):
            x = _WIDTH / 2 + (i - (len(wings) - 1) / 2) * (_BOX + _GAP)
            found[wing] = (x, 20 + (top - level) * _STEP)
    return found


def _pull(wing: str, placed: dict[str, tuple[float, int]]) -> float:
    """Mean of the places that arrows come from; those along an edge come from beyond it."""
    above = [w for w in placed if wing in arrows(w)]
    return sum(
        placed[w][0] if floor(w) == floor(wing) + 1 else _side(placed[w][0]) for w in above
    ) / max(len(above), 1)


def _side(x: float) -> float:
    """The nearer edge of the picture."""
    return 20 if x < _WIDTH / 2 else _WIDTH - 20


def sentence(wing: str) -> str:
    """The first of the wing's own docstring."""
    folder = PACKAGE if wing == _FACE else PACKAGE / wing
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    return text.split("\n\n")[0].partition(". ")[0].rstrip(".")


def _box(wing: str) -> Iterator[str]:
    x, y = places()[wing]
    title = wing if wing == _FACE else f"{wing}/"
    yield f'<rect x="{x - _BOX / 2:.0f}" y="{y}" width="{_BOX}" height="{_TALL}" rx="6"/>'
    yield f'<text class="wing" x="{x:.0f}" y="{y + 19}" text-anchor="middle">{title}</text>'
    for i, line in enumerate(wrap(sentence(wing), 40, break_on_hyphens=False)):
        yield (
            f'<text x="{x:.0f}" y="{y + 35 + 15 * i}" text-anchor="middle">{escape(line)}</text>'
        )


def _arrow(wing: str, other: str) -> str:
    """Down to the next floor, or by the edge of the picture to one further down."""
    (x, y), (x2, y2) = places()[wing], places()[other]
    if floor(wing) == floor(other) + 1:
        start, bend = y + _TALL, (y + _TALL + y2) / 2
        return f'<path d="M{x:.0f},{start} C{x:.0f},{bend:.0f} {x2:.0f},{bend:.0f} {x2:.0f},{y2}"/>'
    edge = _side(x)
    half = _BOX / 2 if edge > x else -_BOX / 2
    middle, end = y + _TALL // 2, y2 + _TALL // 2
    return f'<path d="M{x + half:.0f},{middle} H{edge:.0f} V{end} H{x2 + half:.0f}"/>'


def _lines() -> Iterator[str]:
    height = 20 + max(map(floor, known())) * _STEP
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img">'
    )
    yield "<title>The wings of the package and what they import, floor by floor</title>"
    yield f"<style>{_STYLE}</style>"
    yield (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><polygon points="0,0 8,4 0,8" fill="#8a6d3b"/>'
        "</marker></defs>"
    )
    yield f'<rect class="paper" width="{_WIDTH}" height="{height}"/>'
    for wing in sorted(known()):
        yield from _box(wing)
        yield from (_arrow(wing, other) for other in sorted(arrows(wing)))
    for level in range(1, max(map(floor, known())) + 1):
        y = next(y for w, (_, y) in places().items() if floor(w) == level)
        yield f'<text class="floor" x="{_MARGIN - 20}" y="{y + 19}">{level}</text>'
    yield "</svg>"


def picture() -> str:
    """The picture as SVG."""
    return "\n".join(_lines()) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture())
