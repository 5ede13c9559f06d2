"""Texts and shapes -> SVG elements, and how wide a text may become."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

TEXT_PX = 10.5
# As in DejaVu Sans, the widest of the common sans-serif fonts.
_WIDTHS = {**dict.fromkeys("ijl.,:;'|! ", 0.33), **dict.fromkeys("ftr-()[]/", 0.42), **dict.fromkeys("mwMW@%→", 0.98)}


@dataclass(frozen=True, slots=True)
class Box:
    """A place on the page, in pixels."""

    x: float
    y: float
    width: float
    height: float


def text_width(text: str, size_px: float = TEXT_PX) -> float:
    """How wide a text may become, in pixels; rather too much than too little."""
    return sum(_WIDTHS.get(sign, 0.72 if sign.isupper() else 0.64) for sign in text) * size_px


def shortened(text: str, width: float, size_px: float = TEXT_PX) -> str:
    """The text, or as much of its beginning as there is room for."""
    if text_width(text, size_px) <= width:
        return text
    while text and text_width(f"{text}...", size_px) > width:
        text = text[:-1]
    return f"{text.rstrip()}..."


def wrapped(text: str, width: float) -> tuple[str, ...]:
    """The text in lines that fit; a single word that does not is shortened."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(shortened(word, width))
    return tuple(lines)


def text(x: float, y: float, said: str, style: str = "", *, full: str = "", end: bool = False) -> str:
    """A text that begins, or ends, at a point of its base line; `full` shows under the pointer if it says more."""
    title = f"<title>{escape(full)}</title>" if full and full != said else ""
    classes = f' class="{style}"' if style else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x:g}" y="{y:g}"{classes}{anchor}>{title}{escape(said)}</text>'


def rectangle(box: Box, style: str, radius: int) -> str:
    """A rectangle with round corners."""
    place = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
    return f'<rect class="{style}" {place} rx="{radius}"/>'


def dot(x: float, y: float, radius: float, colour: str) -> str:
    """A filled circle."""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colour}"/>'
