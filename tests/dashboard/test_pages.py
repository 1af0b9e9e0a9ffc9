"""Every page in a real browser, on a real engine, with this process as the other program."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from astermind_lab.lab import Lab
from astermind_lab.lab.engine import LocalEngine
from astermind_lab.settings import Settings
from tests.browser import Opened, open_page
from tests.browser import browser as chromium
from tests.dashboard.site import PATIENCE_SECONDS, Site, fill, site

PAGES = ("live", "quality", "drift", "registry")
See = Callable[[str], Opened]
LONG = 1000 * PATIENCE_SECONDS
expect.set_options(timeout=LONG / 2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dashboards")


@pytest.fixture(scope="module")
def lab(data_dir: Path) -> Iterator[Lab]:
    with Lab.open(settings=Settings(data_dir=data_dir)) as opened:
        fill(opened)
        yield opened


@pytest.fixture(scope="module")
def served(lab: Lab, data_dir: Path) -> Iterator[Site]:
    with site(data_dir) as running:
        yield running


@pytest.fixture
def see(browser: Browser) -> Iterator[See]:
    """Opens an address; the page is closed after the test."""
    found: list[Opened] = []

    def opened(url: str) -> Opened:
        found.append(open_page(browser, url, height=1000))
        return found[-1]

    yield opened
    for one in found:
        one.page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_whole_and_without_complaint(name: str, served: Site, see: See) -> None:
    seen = see(f"{served.url}/{name}?model=topics&window=7d")
    page = seen.page
    expect(page.get_by_role("heading", level=1)).to_have_text(name.capitalize())
    expect(page.get_by_text("Loading…")).to_have_count(0)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)
    assert page.locator("section.card").count() >= 5
    assert seen.faults == []


@pytest.mark.parametrize("name", PAGES)
def test_an_empty_lab_says_what_to_do(name: str, browser: Browser, empty: Site, see: See) -> None:
    seen = see(f"{empty.url}/{name}")
    expect(seen.page.get_by_text("Loading…")).to_have_count(0)
    expect(seen.page.get_by_text("Something went wrong")).to_have_count(0)
    expect(seen.page.get_by_text(re.compile(r"lab\.\w+\(")).first).to_be_visible()
    assert seen.faults == []


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("empty")) as running:
        yield running


def test_what_another_process_writes_is_seen(lab: Lab, served: Site, see: See) -> None:
    seen = see(f"{served.url}/live?model=topics&window=10m")
    expect(seen.page.get_by_text("Loading…")).to_have_count(0)
    lab.predict("topics", "the storm that nobody saw coming", log_prediction=True)
    expect(seen.page.get_by_text("the storm that nobody saw coming")).to_be_visible()
    assert seen.faults == []


def test_a_model_that_is_new_is_shown_where_there_was_none(
    browser: Browser, tmp_path: Path, see: See
) -> None:
    with site(tmp_path) as running, Lab.open(settings=Settings(data_dir=tmp_path)) as lab:
        seen = see(f"{running.url}/live")
        expect(seen.page.get_by_text("No prediction was logged").first).to_be_visible()
        lab.log_prediction("mine", "a first text", "good", 0.9)
        expect(seen.page.get_by_text("a first text")).to_be_visible()
        expect(seen.page).to_have_url(re.compile("model=mine"))


def test_window_and_search_filter_and_the_address_says_so(lab: Lab, served: Site, see: See) -> None:
    seen = see(f"{served.url}/live?model=topics&window=10m")
    page = seen.page
    page.get_by_label("Window", exact=True).select_option(label="last 7 days")
    expect(page).to_have_url(re.compile("window=7d"))
    figures = page.get_by_role("region", name="At a glance")
    expect(figures.get_by_text("2,8", exact=False)).to_be_visible()
    page.get_by_placeholder("Search the texts…").fill("the snow today")
    page.keyboard.press("Enter")
    last = page.get_by_role("region", name="Last predictions")
    expect(last.get_by_text(re.compile("predictions? found"))).to_be_visible()
    expect(last.get_by_text("what of the snow today").first).to_be_visible()
    expect(last.get_by_text("tell me about pasta")).to_have_count(0)
    page.get_by_role("link", name="Quality").click()
    expect(page).to_have_url(re.compile(r"quality\?.*window=7d"))
    assert seen.faults == []


def test_a_click_on_a_cell_shows_its_texts(served: Site, see: See) -> None:
    seen = see(f"{served.url}/quality?model=topics&window=7d")
    page = seen.page
    matrix = page.get_by_role("region", name="Truth against answer")
    expect(matrix.get_by_label("Truth")).to_have_value("food")  # the commonest mistake
    texts = page.get_by_role("region", name="Texts of the chosen cell")
    expect(texts.get_by_text("food, answered weather")).to_be_visible()
    # Three by three cells: the one in the middle is money answered money.
    frame = page.evaluate(
        """() => {
          const views = [...Bokeh.index];
          const walk = v => v.model?.type === "Figure" ? [v] : (v.child_views ?? []).flatMap(walk);
          const all = views.flatMap(walk);
          const plot = all.find(v => v.model.x_range.factors?.includes("money"));
          const at = plot.el.getBoundingClientRect(), inner = plot.frame.bbox;
          return [at.x + inner.x_center, at.y + inner.y_center];
        }"""
    )
    page.mouse.click(*frame)
    expect(texts.get_by_text("money, answered money")).to_be_visible()
    expect(matrix.get_by_label("Answer")).to_have_value("money")
    assert seen.faults == []


def test_promote_and_roll_back_ask_first(lab: Lab, served: Site, see: See) -> None:
    seen = see(f"{served.url}/registry?model=topics")
    page = seen.page
    names = page.get_by_role("region", name="Promote and roll back")
    names.get_by_label("Version").select_option("v2")
    names.get_by_role("button", name="Promote…").click()
    expect(names.get_by_text("Let champion of topics be version v2 instead of v1?")).to_be_visible()
    names.get_by_role("button", name="Cancel").click()
    assert lab.list_aliases("topics").aliases["champion"] == "v1"
    names.get_by_role("button", name="Promote…").click()
    names.get_by_role("button", name="Yes").click()
    expect(names.get_by_text("Done.")).to_be_visible()
    assert lab.list_aliases("topics").aliases["champion"] == "v2"
    names.get_by_role("button", name="Roll back…").click()
    names.get_by_role("button", name="Yes").click()
    expect(names.get_by_text(re.compile(r"^champion v1"))).to_be_visible()
    assert lab.list_aliases("topics").aliases["champion"] == "v1"
    assert seen.faults == []


def test_an_alert_is_acknowledged(lab: Lab, served: Site, see: See) -> None:
    [alert] = lab.list_alerts(model_id="topics").alerts
    assert alert.status == "open"
    seen = see(f"{served.url}/drift?model=topics&window=1h")
    alerts = seen.page.get_by_role("region", name="Alerts")
    alerts.get_by_role("button", name="Acknowledge").click()
    expect(alerts.get_by_text("acknowledged")).to_be_visible()
    expect(alerts.get_by_role("button", name="Acknowledge")).to_have_count(0)
    assert [a.status for a in lab.list_alerts(model_id="topics").alerts] == ["acknowledged"]
    assert seen.faults == []


def test_a_page_recovers_when_the_engine_is_killed(
    lab: Lab, data_dir: Path, served: Site, see: See
) -> None:
    seen = see(f"{served.url}/live?model=topics&window=10m")
    expect(seen.page.get_by_text("Loading…")).to_have_count(0)
    status = LocalEngine(Settings(data_dir=data_dir)).status()
    assert status is not None
    os.kill(int(status["pid"]), signal.SIGKILL)
    lab.predict("topics", "snow after the engine was killed", log_prediction=True)
    expect(seen.page.get_by_text("snow after the engine was killed")).to_be_visible(timeout=LONG)


def test_a_page_comes_back_with_its_server(lab: Lab, data_dir: Path, see: See) -> None:
    with site(data_dir) as first:
        port = int(first.url.rpartition(":")[2])
        page = see(f"{first.url}/live?model=topics&window=10m").page
        expect(page.locator("html[data-live]")).to_have_count(1)
        first.process.kill()
        expect(page.get_by_text("The dashboard server does not answer")).to_be_visible()
    with site(data_dir, port):
        expect(page.get_by_text("The dashboard server does not answer")).to_be_hidden(timeout=LONG)
        lab.predict("topics", "sunny after the server was killed", log_prediction=True)
        expect(page.get_by_text("sunny after the server was killed")).to_be_visible(timeout=LONG)


@pytest.mark.parametrize("width", [400, 800, 1400])
def test_nothing_sticks_out_of_the_page(width: int, served: Site, browser: Browser) -> None:
    for name in PAGES:
        page = open_page(browser, f"{served.url}/{name}?model=topics&window=7d", width).page
        expect(page.get_by_text("Loading…")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.context.close()


def test_the_colours_follow_the_system_and_the_button(served: Site, browser: Browser) -> None:
    page = open_page(browser, f"{served.url}/registry?model=topics", dark=True).page
    scheme = page.locator('meta[name="color-scheme"]')
    expect(scheme).to_have_attribute("content", "dark")
    page.get_by_role("button", name="Switch to light colours").click()
    expect(scheme).to_have_attribute("content", "light")
    page.goto(f"{served.url}/live?model=topics")
    expect(scheme).to_have_attribute("content", "light")
    page.context.close()


def test_pages_can_be_reached_by_keyboard(served: Site, see: See) -> None:
    seen = see(f"{served.url}/live?model=topics&window=7d")
    page = seen.page
    expect(page.get_by_text("Loading…")).to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the page")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Quality")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Quality")
