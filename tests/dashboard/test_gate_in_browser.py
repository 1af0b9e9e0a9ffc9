"""The gate with a real browser: the user comes in, pages of other sites do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from astermind_lab.dashboard.listening import listen
from tests.browser import browser, open_page
from tests.dashboard.served import server_in_a_thread
from tests.test_browser_tools import files_at

HOST = "127.0.0.1"
TOKEN = "a token & more"
EVIL = """<!doctype html><title>evil</title>
<iframe src="{lab}/first"></iframe>
<script>
async function tried(what) {{ try {{ return await what() }} catch (error) {{ return "refused" }} }}
const socket = () => new Promise((done, failed) => {{
  const opened = new WebSocket("{socket}/first/ws", ["bokeh", "x"]);
  opened.onopen = () => done("open"); opened.onerror = failed;
}});
const script = () => fetch("{lab}/first/autoload.js?bokeh-autoload-element=x")
  .then(answer => answer.text());
(async () => {{ window.got = [await tried(socket), await tried(script)] }})();
</script>
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser("--host-resolver-rules=MAP *.example 127.0.0.1") as opened:
        yield opened


def test_signing_in_and_working_with_a_page(chromium: Browser, tmp_path: Path) -> None:
    with server_in_a_thread(tmp_path, listen(HOST, 0), TOKEN) as lab:
        opened = open_page(chromium, f"{lab}/first?model=m")
        page = opened.page
        page.get_by_label("Token").fill("another one")
        page.get_by_role("button").click()
        expect(page.get_by_role("alert")).to_have_text("That is not the token.")
        page.get_by_label("Token").fill(TOKEN)
        page.get_by_role("button").click()
        page.get_by_role("button", name="Say it").click()
        expect(page.get_by_text("said by the server")).to_be_visible()
        assert page.url == f"{lab}/first?model=m"
        assert "astermind" not in page.evaluate("document.cookie")
        refusals = [fault for fault in opened.faults if "status of 403" in fault]
        assert opened.faults == refusals and len(refusals) == 2


def test_the_address_with_the_token_is_enough(chromium: Browser, tmp_path: Path) -> None:
    with server_in_a_thread(tmp_path, listen(HOST, 0), TOKEN) as lab:
        opened = open_page(chromium, f"{lab}/?token=a+token+%26+more")
        assert opened.page.url == f"{lab}/first"
        opened.page.get_by_role("button", name="Say it").click()
        expect(opened.page.get_by_text("said by the server")).to_be_visible()
        opened.assert_well()


@pytest.mark.parametrize("name", [HOST, "evil.example"])
def test_a_page_of_another_site(chromium: Browser, tmp_path: Path, name: str) -> None:
    """Even one of this machine, and even after the user has been at the dashboards."""
    with server_in_a_thread(tmp_path, listen(HOST, 0)) as lab, files_at(tmp_path) as elsewhere:
        page = open_page(chromium, f"{lab}/first").page
        page.get_by_role("button", name="Say it").click()
        evil = EVIL.format(lab=lab, socket=lab.replace("http", "ws", 1))
        (tmp_path / "evil.html").write_text(evil)
        page.goto(f"{elsewhere.replace(HOST, name)}/evil.html")
        page.wait_for_function("window.got")
        assert page.evaluate("window.got") == ["refused", "refused"]
        framed = page.frames[1]
        framed.wait_for_load_state()
        assert framed.get_by_role("button", name="Say it").count() == 0


def test_a_name_that_leads_here_is_not_ours(chromium: Browser, tmp_path: Path) -> None:
    with server_in_a_thread(tmp_path, listen(HOST, 0)) as lab:
        page = open_page(chromium, lab.replace(HOST, "evil.example") + "/first").page
        assert "This server is not 'evil.example" in page.inner_text("body")
