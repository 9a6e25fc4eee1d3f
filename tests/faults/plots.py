"""A plot in SVG: what was measured over time, one line below the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN, LABEL = 800, 120, 20, 60
COLOUR, FAINT = "#2563eb", "#d1d5db"


@dataclass
class Curve:
    name: str
    values: Sequence[float]


def svg(seconds: Sequence[float], curves: Sequence[Curve], marks: Sequence[float], title: str) -> str:
    """All curves over the same seconds, with a line at each mark."""
    height = len(curves) * (HEIGHT + 2 * MARGIN) + 2 * MARGIN
    last = max([*seconds, 1])

    def x(second: float) -> float:
        return round(LABEL + second / last * WIDTH, 1)

    parts = [f'<text x="{LABEL}" y="{MARGIN}">{title}; {last:,.0f} s, a line for each restart</text>']
    for place, curve in enumerate(curves):
        bottom = 2 * MARGIN + place * (HEIGHT + 2 * MARGIN) + HEIGHT + MARGIN
        highest = max([*curve.values, 1])
        points = [
            f"{x(second)},{round(bottom - value / highest * HEIGHT, 1)}"
            for second, value in zip(seconds, curve.values, strict=True)
        ]
        parts += [
            *(f'<path d="M{x(mark)} {bottom}v-{HEIGHT}" stroke="{FAINT}"/>' for mark in marks),
            f'<path d="M{LABEL} {bottom}h{WIDTH}" stroke="black"/>',
            f'<text x="{LABEL}" y="{bottom - HEIGHT - 4}">{curve.name}, at most {highest:,.0f}</text>',
            f'<polyline fill="none" stroke="{COLOUR}" points="{" ".join(points)}"/>',
        ]
    size = f'width="{WIDTH + 2 * LABEL}" height="{height}"'
    style = 'font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(parts)}</svg>\n'
