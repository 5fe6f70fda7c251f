"""What SIPp clients and servers say; messages can be made larger than any MTU."""

import enum
import re
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_LINE: Final = 60


class Scenario(enum.Enum):
    """A scenario of this folder, by its file's name."""

    UAC = "uac"
    UAS = "uas"
    REGISTERING = "registering"
    REGISTRAR = "registrar"
    CANCELING = "canceling"
    CANCELED = "canceled"
    ATTENDED = "attended"
    BLIND = "blind"
    TRANSFEROR = "transferor"
    TRANSFEREE = "transferee"

    def write(self, directory: Path, filler: int = 0) -> Path:
        """The scenario as a file, each message with `filler` bytes more, written to `directory`."""
        source = _HERE / f"{self.value}.xml"
        if not filler:
            return source
        path = directory / f"{self.value}-{filler}.xml"
        path.write_text(_filled(source.read_text(), filler))
        return path


def _filled(text: str, size: int) -> str:
    """Headers before each Call-ID, which then stands in a later fragment, and lines of each SDP."""
    count = -(-size // _LINE)
    headers = f"      X-Filler: {'f' * (_LINE - 12)}\n" * count
    lines = f"      a=filler:{'f' * (_LINE - 11)}\n" * count
    text = re.sub(r"(?m)^(?= +(?:Call-ID:|\[last_Call-ID:\]))", headers, text)
    return re.sub(r"(?m)^( +a=rtpmap:.*\n)", rf"\g<1>{lines}", text)
