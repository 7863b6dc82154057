"""A guard of addresses to stand in for the project's own, for tests of what is made of its answers."""

import sys
from types import ModuleType

import pytest

from pipeline.downloads.downloading import Downloading, Later


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were asked about; those whose path starts with /forbidden are refused."""
    asked = []

    def check_address(address: str, downloading: Downloading) -> None:
        asked.append(address)
        if "/forbidden" in address:
            raise Later("its host is not allowed")

    module = ModuleType("pipeline.downloads.access")
    module.check_address = check_address
    monkeypatch.setitem(sys.modules, "pipeline.downloads.access", module)
    return asked
