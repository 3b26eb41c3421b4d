"""A page without outside parts: its frame, and tables of text in it."""

import html
from collections.abc import Iterable, Sequence

from pipeline.evaluation.text_tables import TextTable

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
       color: #1c1c1e; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
figure { margin: 0 0 1.4rem; overflow-x: auto }
th, td { padding: .3rem .9rem; text-align: right; border-bottom: 1px solid #d8d8dc }
th:first-child, td:first-child { text-align: left }
figcaption { color: #5a5a60; padding-bottom: .4rem }
pre { background: #f4f4f6; padding: 1rem; overflow-x: auto; font-size: .85rem }
svg { max-width: 100%; height: auto }
"""


def html_page(title: str, parts: Sequence[str]) -> str:
    """A page.

    Args:
        title: Its title, as text.
        parts: What it shows, as HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def html_table(table: TextTable) -> str:
    """A table with its caption."""

    def cells(tag: str, row: Iterable[str]) -> str:
        return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in row)}</tr>"

    rows = "".join(cells("td", row) for row in table.rows)
    # A table's own <caption> would be as narrow as the table.
    caption = f"<figcaption>{html.escape(table.caption)}</figcaption>"
    return f"<figure>{caption}<table>{cells('th', table.columns)}{rows}</table></figure>"
