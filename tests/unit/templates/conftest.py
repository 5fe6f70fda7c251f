"""A fresh table for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pe_nfq.templates import Table
from tests.tables import open_table, publish_nothing, state_directory


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with state_directory() as path:
        yield path


@pytest.fixture
def table() -> Iterator[Table]:
    """With a snapshot published, so that rules made by hand are not stale."""
    with open_table() as table:
        publish_nothing(table)
        yield table
