"""A page without outside parts, of sections of tables, pictures and text; by Jinja2's templates."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pipeline.evaluation.text_tables import TextTable


@dataclass(frozen=True)
class Paragraph:
    """A paragraph.

    Args:
        text: As text, not HTML.
    """

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list.

    Args:
        items: Text of each item.
    """

    items: Sequence[str]


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        title: What it shows, in a few words.
        svg: The picture, as SVG from `pipeline.reporting.svg`; not escaped.
        note: How to read it.
    """

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, as many as the screen is wide enough for.

    Args:
        pictures: The pictures; where there are none, nothing is shown.
    """

    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Code:
    """Text as it was typed.

    Args:
        title: One line above it.
        text: The text.
    """

    title: str
    text: str


@dataclass(frozen=True)
class Folded:
    """Parts that open when they are asked for.

    Args:
        summary: One line that stays.
        parts: What it hides.
    """

    summary: str
    parts: Sequence[Any]


Part = Paragraph | Bullets | TextTable | Gallery | Code | Folded


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Args:
        title: Its heading.
        parts: What it shows, in order.
    """

    title: str
    parts: Sequence[Part]


def render_page(title: str, lead: Sequence[Part], sections: Sequence[Section] = ()) -> str:
    """The page as HTML.

    Args:
        title: Its title, as text.
        lead: What stands above the sections.
        sections: The sections; those without parts are left out.
    """
    shown = [section for section in sections if section.parts]
    page: str = (
        _templates().get_template("page.html").render(title=title, lead=lead, sections=shown)
    )
    return page


@cache
def _templates() -> Any:
    import jinja2  # only who writes a page needs it

    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("pipeline.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["runs"] = _runs
    return templates


def _runs(parts: Sequence[Part]) -> list[tuple[str, list[Part]]]:
    """Parts of one kind that follow each other, together: kind -> parts."""
    runs = itertools.groupby(parts, key=lambda part: type(part).__name__)
    return [(kind, list(some)) for kind, some in runs]
