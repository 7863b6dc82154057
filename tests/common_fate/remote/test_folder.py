"""What a SHA256SUMS from elsewhere may say."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common_fate.errors import ShardError
from common_fate.remote.folder import open_folder, parse_sums

NAMES = st.text(st.sampled_from("ab0_.-/\\ ~\0*\n")) | st.text()


@given(st.lists(NAMES))
def test_no_name_leads_out_of_the_folder(names):
    listing = "".join(f"{'0' * 64}  {name}\n" for name in names)
    try:
        sums = parse_sums(listing, "x")
    except ShardError:
        return
    for name in sums:
        path = Path("/folder") / name
        assert path.resolve() == path
        assert path.is_relative_to("/folder/")
        assert path != Path("/folder")


@given(st.text())
def test_whatever_it_is_it_is_sums_or_an_error(listing):
    with suppress(ShardError):
        assert len(parse_sums(listing, "x")) <= len(listing.splitlines())


@pytest.mark.parametrize(
    "place", ["results/demo/shards/cmp", "file:results/demo/shards/cmp", "file://results/demo/shards/cmp/"]
)
def test_a_path_is_a_folder_of_this_machine(place):
    folder = open_folder(place)
    assert folder.manifest == Path("results/demo/shards/cmp")
    assert folder.cache is None
    assert str(folder) == place.rstrip("/")
