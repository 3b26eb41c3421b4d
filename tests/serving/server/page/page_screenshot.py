"""Makes docs/serving_page.png again, from a server of the MovieLens export.

python -m pipeline serve RUN --rest-port 8501 &
python -m tests.serving.server.page.page_screenshot http://127.0.0.1:8501/ docs/serving_page.png
"""

import sys

from playwright.sync_api import sync_playwright

from tests.serving.server.page.test_page_browser import CHROMIUM, FLAGS


def main(address: str, path: str, width: str = "1200", scheme: str = "light") -> None:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": int(width), "height": 1100}, color_scheme=scheme)
        page.goto(address)
        page.get_by_role("button", name="Score").click()
        page.wait_for_selector("#result table")
        page.locator("#signatures summary").first.click()
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=path)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
