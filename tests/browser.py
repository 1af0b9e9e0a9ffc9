"""Chromium for the tests that look at pages.

Playwright drives the Chromium of the system, and is never asked to download one of its own. Without
Chromium such tests are skipped, and say what to install: on a machine of yours nothing is installed
without your word. Where CI=true nobody can be asked and nothing may be skipped: there it is
installed with apt-get, once, and what that said is in ``chromium.log`` of the environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions")
LOG = Path(sys.prefix) / "chromium.log"
INSTALL_SECONDS = 900
ATTEMPTS = 3


def chromium_path() -> str:
    """Where Chromium is; skips the test without one, or where CI=true installs it or fails."""
    found = _found()
    if found is None and os.environ.get("CI") == "true":
        with FileLock(LOG.with_suffix(".lock")):
            found = _found() or _installed()
        if found is None:
            pytest.fail(f"Chromium could not be installed, see {LOG}: {_end_of_log()}")
    if found is None:
        pytest.skip(
            f"NO BROWSER, so pages are not tested: none of {', '.join(NAMES)} is here. "
            "On Debian: sudo apt-get install chromium"
        )
    return found


def _found() -> str | None:
    return next((path for path in map(shutil.which, NAMES) if path is not None), None)


def _installed() -> str | None:
    """Chromium from the distribution; None if that does not work."""
    command = [] if os.geteuid() == 0 else ["sudo", "-n"]
    command += ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    for _ in range(ATTEMPTS):
        with LOG.open("a") as lines:
            for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
                try:
                    subprocess.run(
                        [*command, *arguments], stdout=lines, stderr=lines, timeout=INSTALL_SECONDS
                    )
                except (OSError, subprocess.TimeoutExpired) as error:
                    print(error, file=lines)
        if _found() is not None:
            break
    return _found()


def _end_of_log() -> str:
    return LOG.read_text(errors="replace")[-500:].strip()


@contextmanager
def browser(*flags: str) -> Iterator[Browser]:
    """A headless Chromium, ended with the block. flags : further ones of its command line"""
    path = chromium_path()
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *flags])
        try:
            yield opened
        finally:
            opened.close()


@dataclass(frozen=True)
class Opened:
    """A page, and what went wrong in it: console errors, uncaught ones, requests without answer."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def assert_well(self) -> None:
        """Nothing went wrong so far."""
        assert self.faults == []


def open_page(
    chromium: Browser, url: str, width: int = 1400, height: int = 900, dark: bool = False
) -> Opened:
    """Open an address in a context of its own, with its own cookies; width, height : pixels."""
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    opened = Opened(context.new_page())

    def told(message: ConsoleMessage) -> None:
        if message.type == "error":
            opened.faults.append(f"console: {message.text}")

    def failed(request: Request) -> None:
        opened.faults.append(f"{request.failure}: {request.url}")

    opened.page.on("console", told)
    opened.page.on("pageerror", lambda error: opened.faults.append(f"uncaught: {error}"))
    opened.page.on("requestfailed", failed)
    opened.page.goto(url)
    return opened
