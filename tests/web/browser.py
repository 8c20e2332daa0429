"""The system's Chromium in front of a workbench that listens on a port of its own."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from deploy.servers.server import MissingServer, free_ports
from tests.web.workbench import PASSWORD, Workbench

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PICTURES = Path(__file__).resolve().parents[2] / "build" / "pictures"
"""Pictures of pages, kept after a run."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. Raises :class:`MissingServer` where the system has none."""
    names = (os.environ.get("AML_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        raise MissingServer("there is no Chromium: apt install chromium, or set AML_CHROMIUM to one")
    with sync_playwright() as playwright:
        # Root may not use the sandbox; what is opened is our own.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=found, args=options)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def listening(bench: Workbench) -> Iterator[str]:
    """The address of a workbench while it listens."""
    (port,) = free_ports(1)
    server = uvicorn.Server(uvicorn.Config(bench.app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the workbench ended by itself"
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@dataclass
class Person:
    """Somebody before a page; ``complaints`` is what the browser said of errors and of what it did not allow."""

    page: Page
    address: str
    complaints: list[str]

    def sign_in(self, name: str) -> None:
        """Come in by the form."""
        self.page.goto(self.address + "/sign-in")
        self.page.fill("#name", name)
        self.page.fill("#password", PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/queue")

    def picture(self, name: str) -> None:
        """Keep a picture of the page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


@contextmanager
def person(browser: Browser, address: str, *, size: dict[str, int] = WIDE, theme: str = "light",
           language: str = "en") -> Iterator[Person]:  # fmt: skip
    """Somebody with a browser of this size, who has chosen colours and a language."""
    context = browser.new_context(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
    chosen = {"aml_theme": theme, "aml_language": language}
    context.add_cookies([{"name": name, "value": value, "url": address} for name, value in chosen.items()])
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield Person(page, address, complaints)
    finally:
        context.close()
