"""The report in a real browser: it is as wide as a phone, unfolds, and prints whole."""

from pathlib import Path

import pytest

from pipeline.reporting.run_report import report_html
from tests.pipeline.reporting.test_pictured_numbers import GIVEN, NUMBERS, metrics_of_all
from tests.serving.server.page.test_page_browser import CHROMIUM, FLAGS

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason=f"there is no browser at {CHROMIUM}: Debian's `chromium`"
)
LONG = "settings: " + "x" * 400


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(report_html("runs/" + "a" * 90, metrics_of_all(), LONG, (), NUMBERS, GIVEN))
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(path.as_uri())
        yield page
        browser.close()


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_no_page_is_wider_than_its_screen(report, width):
    report.set_viewport_size({"width": width, "height": 900})
    report.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert report.evaluate("document.documentElement.scrollWidth") == width
    ends = "[...document.querySelectorAll('svg')].map(each => each.getBoundingClientRect().right)"
    assert 0 < max(report.evaluate(ends)) <= width


def test_what_is_folded_is_printed(report):
    report.reload()
    folded = report.get_by_text("epochs: 7")
    assert not folded.is_visible()
    report.emulate_media(media="print")
    assert folded.is_visible()
    report.emulate_media(media="screen")
