"""Makes docs/report.png again: the head of a run's report.

python -m tests.pipeline.reporting.report_screenshot RUN/report.html docs/report.png
"""

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.serving.server.page.test_page_browser import CHROMIUM, FLAGS


def main(report: str, path: str, width: str = "1280", height: str = "1750") -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": int(width), "height": int(height)})
        page.goto(Path(report).resolve().as_uri())
        page.screenshot(path=path)
        browser.close()
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(64)  # colours: a third of the bytes
    few.save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
