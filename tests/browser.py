"""A real browser for tests: Chromium without a window, told what to do by its debugging protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

DEADLINE_S = 60.0
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--no-default-browser-check", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-extensions", "--mute-audio", "--hide-scrollbars",
    "--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


@dataclass
class Seen:
    """A page that was opened: what it asked of any network, and what its scripts did.

    What its own policy kept it from asking is left out of ``requests``.
    """

    title: str
    requests: list[str]
    dialogs: list[str]
    console: list[str]


@dataclass
class Browser:
    """A browser with one page; ``events`` are what it told since the page was opened."""

    process: subprocess.Popen[bytes]
    to: int
    of: int
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    _number: int = 0
    _rest: bytes = b""

    def ask(self, method: str, **values: object) -> Any:  # noqa: ANN401 -- any JSON value
        """Ask for something and wait for the answer."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": values}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self.of, 1 << 20)
            assert chunk, "the browser ended"
            self._rest += chunk
        one, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(one)
        if "method" in told:
            self.events.append(told)
            if told["method"] == "Page.javascriptDialogOpening":
                answer = {"id": 0, "method": "Page.handleJavaScriptDialog"}
                answer |= {"params": {"accept": True}, "sessionId": self.session}
                os.write(self.to, json.dumps(answer).encode() + b"\0")
        return told

    def start(self) -> None:
        """Make a page."""
        page = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def open(self, place: Path, *, width: int = 1200, dark: bool = False) -> Seen:
        """Open a file as wide as a screen, and wait until it is there."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=place.as_uri())
        end = time.monotonic() + DEADLINE_S
        while not any(one["method"] == "Page.loadEventFired" for one in self.events):
            assert time.monotonic() < end
            self._next()
        title = self.value("document.title")
        blocked = {
            one["params"]["requestId"]
            for one in self.events
            if one["method"] == "Network.loadingFailed" and one["params"].get("blockedReason")
        }
        return Seen(
            title,
            [
                one["params"]["request"]["url"]
                for one in self.events
                if one["method"] == "Network.requestWillBeSent"
                and one["params"]["requestId"] not in blocked
            ],
            [
                one["params"]["message"]
                for one in self.events
                if one["method"] == "Page.javascriptDialogOpening"
            ],
            [
                one["params"]["entry"]["text"]
                for one in self.events
                if one["method"] == "Log.entryAdded"
            ],
        )

    def value(self, expression: str) -> Any:  # noqa: ANN401 -- any JSON value
        """Return the value of an expression in the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"][
            "value"
        ]

    def screenshot(self, place: Path) -> None:
        """Keep a picture of the whole page."""
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        place.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        """End it, and wait."""
        self.session = ""
        self.ask("Browser.close")
        self.process.wait(DEADLINE_S)
        os.close(self.to)
        os.close(self.of)


def browsing(folder: Path) -> Iterator[Browser]:
    """Yield a browser, with its profile in a folder; without Chromium the test is skipped."""
    program = shutil.which("chromium")
    if program is None:
        why = "there is no chromium"
        assert "RUNPROJ_CI" not in os.environ, why
        pytest.skip(why)
    heard, to = os.pipe()
    of, told = os.pipe()
    process = subprocess.Popen(
        ["bash", "-c", f'exec "$@" 3<&{heard} 4>&{told}', "bash", program, *_OPTIONS,
         f"--user-data-dir={folder}"],
        pass_fds=(heard, told), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(heard)
    os.close(told)
    browser = Browser(process, to, of)
    try:
        browser.start()
        yield browser
    finally:
        browser.close()
