"""Pages: what they link, name and count is there."""

import re
import runpy
from pathlib import Path

import pytest

from pipeline.config.shipped_files import preset_names

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("findings/*.md")])
TOP = "features|models|serving|pipeline|tests|configs|docs|benchmarks|findings"


def lines_of(page: Path) -> list[tuple[int, str]]:
    return list(enumerate(page.read_text("utf-8").splitlines(), start=1))


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    wrong = []
    for number, line in lines_of(page):
        for target in re.findall(r"\]\(([^)\s]+)\)", line):
            if "://" in target:
                continue
            file, _, anchor = target.partition("#")
            linked = (page.parent / file).resolve() if file else page
            if not linked.exists() or (anchor and anchor not in anchors_of(linked)):
                wrong.append(f"{page.name}:{number} links {target}")
    assert not wrong, "no such page or heading:\n" + "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_modules_that_are_named_exist(page):
    if page.name == "CHANGELOG.md":
        pytest.skip("it tells of files as they were")
    wrong = []
    for number, line in lines_of(page):
        for name in re.findall(
            rf"(?<![\w/.:-])(?:{TOP})/[\w./*-]+\.(?:py|md|yaml|svg|sh|xml)", line
        ):
            if "NAME" not in name and not list(ROOT.glob(name)):
                wrong.append(f"{page.name}:{number} names {name}")
        for module in re.findall(r"python -m (benchmarks[\w.]+|tests[\w.]+)", line):
            if not (ROOT / (module.replace(".", "/") + ".py")).exists():
                wrong.append(f"{page.name}:{number} names {module}")
    assert not wrong, "no such file:\n" + "\n".join(wrong)


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text("utf-8")
    missing = [page.name for page in ROOT.glob("docs/*.md") if f"({page.name})" not in index]
    assert missing == ["README.md"], f"add to docs/README.md: {missing}"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 160


def test_the_readme_counts_the_presets():
    stated = re.search(r"# (\d+) presets", (ROOT / "README.md").read_text("utf-8"))
    assert int(stated[1]) == len(preset_names()), "README.md states another number of presets"


def test_the_recipe_for_a_branch_shows_the_lines_that_are_there():
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for line, file in (
        ('"autoint": "branches.AutoInt",', "models/spec/axes.py"),
        (
            "b.AutoInt: Case(lambda: b.AutoInt(2, 4, 3, False, True, **mlp(6, 4)), floats(4, 3)),",
            "tests/models/cases.py",
        ),
    ):
        assert f"`{line}`" in page or f"`{line}`:" in page
        assert line in (ROOT / file).read_text("utf-8"), f"CONTRIBUTING.md shows another {file}"


def test_pictures_are_as_the_script_draws_them():
    drawn = runpy.run_path(str(ROOT / "docs/pictures/draw.py"))["pictures"]()
    for name, content in drawn:
        file = ROOT / "docs/pictures" / name
        assert file.read_text("utf-8") == content, "draw again: python docs/pictures/draw.py"
