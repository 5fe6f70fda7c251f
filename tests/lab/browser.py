"""A headless Chromium, driven by the Chrome DevTools Protocol over a pipe: no port, no library.

With ``--remote-debugging-pipe`` it reads messages at descriptor 3 and writes them to 4: JSON, a
NUL after each.
"""

import base64
import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from tests.lab.waiting import PATIENCE, wait_until

_CHROMIUM: Final = "chromium"
_OPTIONS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--no-first-run",
    "--remote-debugging-pipe",
)
#: A start with an empty profile takes seconds on a busy machine (s).
_ANSWER_TIMEOUT: Final = 30.0 * PATIENCE
_STOP_TIMEOUT: Final = 10.0 * PATIENCE
_CHUNK: Final = 1 << 16


class Browser:
    """One page of one Chromium; `enter` is what comes before its command (a namespace).

    `console` has what the page wrote to its console and what the browser complains of: errors,
    refused resources, exceptions.
    """

    def __init__(self, enter: tuple[str, ...] = (), *, dark: bool = False) -> None:
        self._enter = enter
        self._dark = dark
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self._unread = b""
        self.console: list[str] = []

    def open(self, url: str, *, width: int = 1280, height: int = 900) -> None:
        """Go to a page, in a window of so many CSS pixels, and wait until it is loaded."""
        self.resize(width, height)
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def resize(self, width: int, height: int) -> None:
        """Make the window another size."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, as JSON has it. Raises RuntimeError."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression: str, timeout: float = 20.0) -> None:
        """Wait until a JavaScript expression is true. Raises TimeoutError."""
        wait_until(lambda: self.evaluate(expression), expression, timeout)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key: its name, its Windows virtual key code, what it types."""
        facts = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **facts)
        self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def screenshot(self) -> bytes:
        """What the window shows, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its result. Raises RuntimeError, TimeoutError."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _ANSWER_TIMEOUT
        while True:
            answer = self._read(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            chunk = os.read(self._from, _CHUNK)
            if not chunk:
                raise RuntimeError(f"the browser has ended: {self._errors.read_text()[-2000:]}")
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        match event:
            case {"method": "Runtime.consoleAPICalled", "params": {"type": kind, "args": words}}:
                self.console.append(f"{kind}: {words}")
            case {"method": "Runtime.exceptionThrown", "params": {"exceptionDetails": details}}:
                self.console.append(f"exception: {details}")
            case {"method": "Log.entryAdded", "params": {"entry": entry}}:
                self.console.append(f"{entry['level']}: {entry['text']} {entry.get('url', '')}")

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            profile = Path(stack.enter_context(_directory()))
            self._errors = profile / "errors"
            self._start(profile)
            stack.callback(self._stop)
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.call(f"{domain}.enable")
            scheme = {"name": "prefers-color-scheme", "value": "dark" if self._dark else "light"}
            self.call("Emulation.setEmulatedMedia", features=[scheme])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, profile: Path) -> None:
        its_in, self._to = os.pipe()
        self._from, its_out = os.pipe()
        # The shell puts the pipes where Chromium looks for them; `exec`: no process stays between.
        script = f'exec "$@" 3<&{its_in} 4>&{its_out}'
        command = (*self._enter, _CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank")
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                ["bash", "-c", script, "bash", *command],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                pass_fds=(its_in, its_out),
                start_new_session=True,
                env=os.environ | {"HOME": str(profile)},
            )
        os.close(its_in)
        os.close(its_out)

    def _stop(self) -> None:
        """Ask it to close; what is left of its process group is killed."""
        self._session = None
        with contextlib.suppress(RuntimeError, TimeoutError, OSError):
            self.call("Browser.close")
        try:
            self._process.wait(_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._to)
        os.close(self._from)


@contextlib.contextmanager
def _directory() -> Iterator[str]:
    """A profile of its own; a child that still ends may write into it while it is removed."""
    path = tempfile.mkdtemp(prefix="pelab-browser-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
