"""The page in a real browser, from a file, with nothing to load from anywhere."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pictured
import pytest
from lazily import Library

from journaltune.cli import main
from journaltune.cli.plot import KINDS
from journaltune.plots.labels import short

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Library("plotly", reason="plotly comes with the extra `plot`")
webdriver = Library("selenium.webdriver", reason="selenium drives the browser")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="there is no chromium with chromedriver on PATH"),
    pytest.mark.xdist_group("browser"),
]
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars")


class Browser:
    """Chromium without a network. In the folder $TEST_SCREENSHOTS `open_page` leaves a picture of each page as it is shown.

    Otherwise it leaves none: they take a quarter of the time.
    """

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for argument in ARGUMENTS:
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        self.screenshots = os.environ.get("TEST_SCREENSHOTS")
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)

    def open_page(self, path: Path, width: int = 1600, look: str = "light") -> None:
        media = {"features": [{"name": "prefers-color-scheme", "value": look}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self._resize(width, 900)
        self.driver.get(path.as_uri())
        self._resize(width, max(self.run("return document.documentElement.scrollHeight"), 900))
        if self.screenshots:
            self.driver.save_screenshot(os.path.join(self.screenshots, f"{path.stem}-{width}-{look}.png"))

    def _resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def cells(self, column: int) -> list[str]:
        """The texts of one column of the table of trials, as it is shown."""
        script = "return [...document.querySelectorAll('#rows tbody tr')].map(row => row.cells[arguments[0]].textContent)"
        found: list[str] = self.run(script, column)
        return found

    def enter(self, field: str, text: str, event: str) -> None:
        self.run("document.getElementById(arguments[0]).value = arguments[1]", field, text)
        self.run("document.getElementById(arguments[0]).dispatchEvent(new Event(arguments[1]))", field, event)

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    browser = Browser()
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of each study, and a page of each plot."""
    folder = tmp_path_factory.mktemp("pages")
    for journal in (pictured.make_rich(folder), pictured.make_pareto(folder), pictured.make_replicates(folder)):
        page = journal.replace(".journal", ".html")
        assert main(["page", "-f", journal, "-o", page]) == 0
    for kind in KINDS:
        journal = str(folder / ("pareto.journal" if kind == "pareto" else "rich.journal"))
        assert main(["plot", kind, "-f", journal, "-o", str(folder / f"plot-{kind}.html")]) == 0
    return folder


@pytest.mark.parametrize(
    ("name", "width", "look"),
    [
        *(("rich", width, look) for width in (360, 1600) for look in ("light", "dark")),
        ("pareto", 360, "dark"),
        ("pareto", 1600, "light"),
        ("replicates", 1600, "dark"),
    ],
)
def test_a_page_opens_offline_without_a_complaint_and_fits_its_window(
    browser: Browser, folder: Path, name: str, width: int, look: str
) -> None:
    browser.open_page(folder / f"{name}.html", width, look)
    assert browser.complaints() == []
    assert browser.run("return document.documentElement.scrollWidth") <= width
    drawn = "return [...document.querySelectorAll('[data-figure]')].map(each => each.querySelectorAll('.main-svg').length > 0)"
    shown = browser.run(drawn)
    assert len(shown) >= 5
    assert all(shown)
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[look]


@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_opens_offline_without_a_complaint_and_fits_its_window(browser: Browser, folder: Path, kind: str) -> None:
    for width, look in ((1600, "light"), (360, "dark")):
        browser.open_page(folder / f"plot-{kind}.html", width, look)
        assert browser.complaints() == []
        assert browser.run("return document.querySelectorAll('.main-svg').length") > 0
        assert browser.run("return document.documentElement.scrollWidth") <= width


def test_slices_stand_in_as_many_columns_as_there_is_room_for(browser: Browser, folder: Path) -> None:
    starts = """const { _fullLayout: layout } = document.querySelector("[data-figure=slice]");
        return new Set(Object.keys(layout).filter(key => /^xaxis/.test(key)).map(key => layout[key].domain[0])).size"""
    browser.open_page(folder / "rich.html", 360)
    assert browser.run(starts) == 1
    browser.open_page(folder / "rich.html", 1600)
    assert browser.run(starts) > 3


def test_the_best_lines_are_seen_on_a_dark_ground(browser: Browser, folder: Path) -> None:
    """The lightness, from 0 to 255, of the line with the lowest value."""
    lightness = """const { data } = document.querySelector("[data-figure=parallel]");
        const lines = data.filter(trace => trace.mode === "lines" && trace.line.color);
        lines.sort((one, other) => one.y[0] - other.y[0]);
        const [red, green, blue] = lines[0].line.color.match(/[0-9.]+/g).map(Number);
        return (red + green + blue) / 3"""
    browser.open_page(folder / "plot-parallel.html", 1600, "light")
    assert browser.run(lightness) < 80
    browser.open_page(folder / "plot-parallel.html", 1600, "dark")
    assert browser.run(lightness) > 200


def test_what_a_journal_says_is_text(browser: Browser, folder: Path) -> None:
    browser.open_page(folder / "rich.html")
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.querySelectorAll('img[src=x], section b, section i').length") == 0
    tables = browser.run("return document.body.innerText")
    for text in (pictured.HOSTILE_NAME, pictured.HOSTILE_CATEGORY, pictured.HOSTILE_OBJECTIVE, pictured.HOSTILE_ATTR):
        assert text in tables
    figures = browser.run("return [...document.querySelectorAll('.figure text')].map(each => each.textContent).join('\\n')")
    assert short(pictured.HOSTILE_NAME) in figures
    assert pictured.HOSTILE_OBJECTIVE in figures
    assert browser.complaints() == []


def test_the_table_is_sorted_and_filtered(browser: Browser, folder: Path) -> None:
    browser.open_page(folder / "rich.html")
    assert browser.cells(0) == [str(number) for number in range(38)]
    browser.click("#rows th:nth-child(3) button")
    values = [float(text) for text in browser.cells(2) if text]
    assert values == sorted(values)
    assert len(values) < 38
    assert browser.cells(2)[len(values) :] == [""] * (38 - len(values))  # what has no value comes last
    browser.click("#rows th:nth-child(3) button")
    assert [float(text) for text in browser.cells(2) if text] == values[::-1]
    assert browser.run("return document.querySelector('#rows th:nth-child(3)').getAttribute('aria-sort')") == "descending"
    browser.enter("state", "fail", "change")
    assert set(browser.cells(1)) == {"fail"}
    assert browser.run("return document.getElementById('count').textContent") == "5 of 38 trials"
    browser.enter("state", "", "change")
    browser.enter("filter", "OOM", "input")
    assert set(browser.cells(1)) == {"fail"}


def test_the_pointer_over_a_trial_shows_it(browser: Browser, folder: Path) -> None:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    def shown(driver: Any) -> str:
        """What is said once the pointer is there. A plot is drawn anew once its window has its size, with its bars elsewhere."""
        bar = driver.find_element("css selector", ".barlayer .point path")
        ActionChains(driver).move_to_element(bar).perform()
        said = "return [...document.querySelectorAll('.hoverlayer text')].map(each => each.textContent).join(' ')"
        return str(driver.execute_script(said))

    browser.open_page(folder / "plot-timeline.html")
    text = WebDriverWait(browser.driver, 20, ignored_exceptions=[StaleElementReferenceException]).until(shown)
    assert '"number"' in text
    assert '"momentum"' in text or '"lr"' in text
