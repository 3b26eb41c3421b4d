"""The page in a real browser: Debian's Chromium, driven by playwright."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from serving.export_format import names
from serving.scoring.raw_rows import read_rows
from serving.scoring.scorer import Scorer
from serving.server.lifecycle.manager import ModelManager
from serving.server.lifecycle.models_config import ModelConfig
from tests.serving.server.page.page_site import MARKUP, SCRIPT, serve

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]

pytestmark = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason=f"there is no browser at {CHROMIUM}: Debian's `chromium`"
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def hostile(exported, tmp_path_factory):
    """An export whose tokens, columns and card hold markup; `price` is read from no column."""
    version = tmp_path_factory.mktemp("hostile") / "3"
    shutil.copytree(exported, version)
    metadata = version / "assets" / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"column": "price"', f'"column": "{MARKUP}"'))
    rows = version / "assets.extra" / "sample_rows.jsonl"
    row = {
        **json.loads(rows.read_text().splitlines()[0]),
        "item": SCRIPT,
        "tags": [SCRIPT, '"', "\n"],
    }
    rows.write_text(json.dumps({**row, MARKUP: row.pop("price")}) + "\n")
    card = {"intended_use": SCRIPT, "metrics": {MARKUP: {SCRIPT: {"auc": 0.75}}}, MARKUP: [SCRIPT]}
    (version / "assets.extra" / "model_card.json").write_text(json.dumps(card))
    return version


@pytest.fixture(scope="module")
def manager(exported, hostile):
    models = [ModelConfig("plain", exported.parent), ModelConfig(MARKUP, hostile.parent)]
    manager = ModelManager(models, poll_seconds=3600)
    manager.start()
    yield manager
    manager.stop()


@pytest.fixture(scope="module")
def address(manager):
    with serve(manager) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, address):
    """Opens the page; fails on console messages, dialogs and requests that leave the server.

    A refused row is an answer of 400, which the browser notes: those are told apart by `refused`.
    """

    @contextmanager
    def open_page(model="plain", refused=False, **options):
        page = browser.new_page(**options)
        page.set_default_timeout(20_000)
        said, asked, dialogs = [], [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.get_by_label("Model", exact=True).select_option(model)
        page.wait_for_function("name => document.title.startsWith(name)", arg=model)
        yield page
        page.close()
        said = [text for text in said if not (refused and "status of 400" in text)]
        assert (said, dialogs) == ([], [])
        assert [url for url in asked if not url.startswith(address)] == []
        assert f"{address}page/score" in asked

    return open_page


def scored(page):
    """Row header -> the other cells, of the table of results."""
    # The last table stays until the answer comes: it must not be taken for the new one.
    page.evaluate("document.querySelector('#result table')?.remove()")
    page.get_by_role("button", name="Score").click()
    page.wait_for_selector("#result table")
    lines = page.locator("#result tbody tr").all()
    return {line.locator("th").inner_text(): line.locator("td").all_inner_texts() for line in lines}


def expected(export, row, tmp_path):
    scorer = Scorer(export)
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    batch = next(read_rows(str(tmp_path / "rows.jsonl"), scorer.metadata.features))
    scores = scorer.score(batch, branches=True)
    shown = {
        "fused": scores[names.PROB],
        **{name: scores[names.branch_output(name)] for name in scorer.branch_names},
    }
    return {name: float(value[0]) for name, value in shown.items()}


def assert_shown(page, wanted):
    shown = scored(page)
    assert list(shown) == list(wanted)
    for name, prob in wanted.items():
        assert float(shown[name][0]) == pytest.approx(prob, abs=2e-6), name


def samples(export):
    return [json.loads(line) for line in (export / "assets.extra" / "sample_rows.jsonl").open()]


def test_a_changed_example_is_scored_as_the_export_scores_it(opened, exported, tmp_path):
    row = samples(exported)[1]
    with opened() as page:
        assert_shown(page, expected(exported, samples(exported)[0], tmp_path))
        page.get_by_label("Begin with").select_option("1")
        assert page.locator("#result table").count() == 0
        assert page.get_by_label("user_id:token").input_value() == "ü3"
        assert_shown(page, expected(exported, row, tmp_path))
        before = page.locator("#outcome strong").inner_text()
        page.get_by_label("price").fill("7.5")
        assert "The row has changed since" in page.get_by_role("status").inner_text()
        page.get_by_label("item", exact=True).fill("")  # missing
        page.get_by_label("tags").fill("b\n\na\n")
        page.get_by_label("picture").fill(" -3, 4e-1")
        changed = {**row, "price": 7.5, "item": None, "tags": ["b", "a"], "picture": [-3, 0.4]}
        assert_shown(page, expected(exported, changed, tmp_path))
        assert page.locator("#outcome strong").inner_text() != before
        page.get_by_label("Begin with").select_option("")
        assert_shown(page, expected(exported, dict.fromkeys(row), tmp_path))


def test_a_value_that_does_not_fit_is_told_at_its_field(opened, exported, tmp_path):
    with opened(refused=True) as page:
        scored(page)
        age, price = page.get_by_label("age"), page.get_by_label("price")
        age.fill("old")
        price.fill("1,5")
        age.press("Enter")  # sends the form, as a click does
        page.wait_for_selector("[aria-invalid]")
        assert page.get_by_role("alert").locator("visible=true").all_inner_texts() == [
            "2 fields do not fit: see above."
        ]
        told = {
            each: page.locator(f"#{each.get_attribute('id')}-error").inner_text()
            for each in (age, price)
        }
        assert told == {
            age: "age must be a number, got 'old'",
            price: "price must be a number, got '1,5'",
        }
        for field in (age, price):
            assert f"{field.get_attribute('id')}-error" in field.get_attribute("aria-describedby")
        assert page.evaluate("document.activeElement.id") == price.get_attribute("id")
        assert page.locator("#result table").count() == 0  # the old score is not this row's
        price.fill("1.5")
        age.fill("")
        assert page.locator("[aria-invalid]").count() == 0
        row = {**samples(exported)[0], "price": 1.5, "age": None}
        assert_shown(page, expected(exported, row, tmp_path))


def test_everything_can_be_reached_and_read_without_a_mouse(opened):
    with opened() as page:
        unnamed = """[...document.querySelectorAll("input, select, textarea, button")].filter(
            (each) => !each.labels?.length && !each.textContent.trim()).length"""
        assert page.evaluate(unnamed) == 0
        for _ in range(60):  # the browser's own order: model, version, example, fields, button
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.type") == "submit":
                break
        page.keyboard.press("Enter")
        page.wait_for_selector("#result table")
        assert page.get_by_role("status").inner_text().startswith("Predicted probability 0.")
        assert page.locator("#result svg:not([aria-hidden])").count() == 0
        assert page.locator("#result thead th[scope=col]").count() > 1
        assert page.locator("html[lang=en]").count() == 1


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_and_everything_contrasts(opened, width, scheme):
    with opened(viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        scored(page)
        for summary in page.locator("summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        colours = page.evaluate(
            """["ink", "soft", "accent", "bad", "paper", "panel", "on-accent"].map((name) =>
            getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim())"""
        )
        ink, soft, accent, bad, paper, panel, on_accent = map(luminance, colours)
        pairs = [(each, ground) for each in (ink, soft, bad) for ground in (paper, panel)]
        for one, other in [*pairs, (on_accent, accent)]:
            assert (max(one, other) + 0.05) / (min(one, other) + 0.05) >= 4.5  # WCAG 2, AA


def luminance(colour):
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_markup_in_names_and_tokens_is_text(opened, manager, monkeypatch):
    """Models, columns, tokens, branches and cards may be called anything."""
    run = manager.run

    def renamed(*args):
        branch, script = names.branch_output("deep"), names.branch_output(SCRIPT)
        return {script if key == branch else key: value for key, value in run(*args).items()}

    monkeypatch.setattr(manager, "run", renamed)
    with opened(MARKUP, refused=True) as page:
        assert page.title() == f"{MARKUP} – Concord"
        assert SCRIPT in scored(page)
        assert page.get_by_label("item", exact=True).input_value() == SCRIPT
        assert page.get_by_label("tags").input_value() == f'{SCRIPT}\n"\\""\n"\\n"'
        assert SCRIPT[:20] in page.get_by_label("Begin with").inner_text()
        page.get_by_label(MARKUP, exact=True).fill(MARKUP)
        page.get_by_role("button", name="Score").click()
        page.wait_for_selector("[aria-invalid]")
        for summary in page.locator("summary").all():
            summary.click()
        everything = page.locator("body").inner_text()
        assert f"{MARKUP} must be a number, got '{MARKUP}'" in everything
        assert page.locator("#card").inner_text().count(SCRIPT) == 3
        assert page.locator("img, main script, body > script").count() == 0


def test_tokens_survive_the_form_whatever_they_hold(opened, hostile):
    """What the form sends is what the sample row holds: quotes and line breaks included."""
    with opened(MARKUP) as page, page.expect_request("**/page/score") as sent:
        scored(page)
    row = json.loads(sent.value.post_data)["row"]
    assert row["tags"] == [SCRIPT, '"', "\n"]
    assert row["item"] == SCRIPT


def test_columns_that_are_called_as_what_every_object_has_are_missing_where_a_row_lacks_them(
    browser, address
):
    names = ["constructor", "toString", "__proto__"]
    fields = [
        {"name": name, "editor": "token", "hint": "", "features": [], "history": None}
        for name in names
    ]
    script = """async (fields) => {
      const { RowForm, summary } = await import("./page/form.js");
      const place = document.createElement("div");
      const form = new RowForm(place, fields, () => {});
      form.fill(JSON.parse('{"__proto__": "x"}'));
      const values = [...place.querySelectorAll("input")].map((input) => input.value);
      return [values, summary({}, fields)];
    }"""
    page = browser.new_page()
    page.goto(address)
    assert page.evaluate(script, fields) == [["", "", "x"], ""]
    page.close()
