"""Whether services have changed, from /proc/net/ip_vs."""

from pathlib import Path

import pytest

from pe_nfq.ipvs.fingerprint import fingerprint

LISTING = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  0A000001:13C4 wlc ops  persistent 30000 FFFFFFFF
  -> 0A000002:13C4      Masq    1      0          12        
FWM  00000005 rr ops 
  -> [fd00:0000:0000:0000:0000:0000:0000:0007]:0000      Tunnel  1      3          0         
"""  # noqa: W291 - as the kernel prints it


def of(tmp_path: Path, listing: str) -> bytes:
    path = tmp_path / "ip_vs"
    path.write_text(listing)
    return fingerprint(path)


@pytest.mark.parametrize(("old", "new"), [("12  ", "7   "), ("3   ", "4000")])
def test_counts_do_not_matter(tmp_path: Path, old: str, new: str) -> None:
    """They change with every call."""
    assert of(tmp_path, LISTING.replace(old, new, 1)) == of(tmp_path, LISTING)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("wlc ops  persistent", "wlc persistent"),
        ("30000", "31000"),
        ("Masq    1 ", "Masq    0 "),
        ("Masq  ", "Route "),
        ("0A000002:13C4", "0A000002:13C5"),
        ("0007]", "0008]"),
        ("FWM  00000005 rr ops \n", ""),
    ],
)
def test_what_steers_matters(tmp_path: Path, old: str, new: str) -> None:
    """Flags, timeouts, weights, methods, addresses, and what is there at all."""
    assert old in LISTING
    assert of(tmp_path, LISTING.replace(old, new)) != of(tmp_path, LISTING)


def test_without_ipvs_there_is_none(tmp_path: Path) -> None:
    """And it is not asked for."""
    assert fingerprint(tmp_path / "ip_vs") == b""
