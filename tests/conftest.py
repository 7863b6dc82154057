"""What several tests need: the real data beside the repository, and a small dataset built through the front door."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# What a first example compiles, or a busy machine, takes longer than Hypothesis grants an example.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


# A shell that starts the tests in the background has them, and all that they start, ignore what Ctrl-C sends.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real images, videos, flow and masks; a test that needs them skips where they are absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data (../shared/data) is not here")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no worker is left with them when the others are done."""
    workflow = ROOT / "tests" / "workflow"
    slow = {item.path for item in items if item.get_closest_marker("slow") or workflow in item.path.parents}
    items.sort(key=lambda item: (workflow not in item.path.parents, item.path not in slow))
