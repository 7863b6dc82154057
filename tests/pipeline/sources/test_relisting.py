import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from common_fate.datasets.catalog import Video, extended, read_catalog, read_plan, shard_digests, write_listing
from common_fate.errors import UserError
from pipeline.sources import SOURCES
from pipeline.sources.relisting import note_places, relisted

PATHS = {"videos": "*.mp4", "images": "*.png", "frames": "*", "voc": ""}
Listing = Callable[..., list[Video]]


def voc(folder: Path) -> None:
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    (folder / "ImageSets/Main/trainval.txt").write_text("a\nb\n")
    for name in "ab":
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f"JPEGImages/{name}.jpg")


def write_source(kind: str, folder: Path) -> None:
    """Two videos of a kind, `a` and `b`; of what does not open them, any bytes will do."""
    folder.mkdir()
    if kind == "voc":
        voc(folder)
    for name in "ab" if kind != "voc" else "":
        place = folder / name if kind == "frames" else folder
        place.mkdir(exist_ok=True)
        (place / f"{name}{PATHS[kind][1:] or '.png'}").write_bytes(name.encode() * 9)


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    """Lists what lies in a folder, after what the dataset `data` knows, and writes that."""

    def listed(kind: str, path: Path | str, write: bool = True, **options: str) -> list[Video]:
        source, data = SOURCES[kind], tmp_path / "data"
        at = f"{path}/{PATHS[kind]}".rstrip("/")
        found = relisted(data, source.videos(source.options(path=at, **options), "x"), source)
        if write:
            data.mkdir(exist_ok=True)
            write_listing(data, found, extended(read_plan(data / "plan.json"), (v.video for v in found), 1))
        return found

    return listed


def digests(videos: list[Video]) -> list[str]:
    return shard_digests([[video.video] for video in videos], videos)


@pytest.mark.parametrize("kind", PATHS)
def test_what_is_moved_or_given_a_licence_is_the_same(kind: str, listing: Listing, tmp_path: Path, monkeypatch):
    write_source(kind, tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    first = listing(kind, "here")
    assert [video.video for video in first] == ["a", "b"]
    for again in (listing(kind, "here"), listing(kind, tmp_path / "here"), listing(kind, "here", license="CC0")):
        assert digests(again) == digests(first)
    os.rename("here", "there")
    moved = listing(kind, "there")
    assert digests(moved) == digests(first)
    assert all("there" in video.uri for video in read_catalog(tmp_path / "data/catalog.parquet"))
    shutil.copytree("there", "copied")  # with its time stamps
    assert digests(listing(kind, "copied", license="CC BY")) == digests(first)
    os.rename("there", "here")
    assert listing(kind, "here") == first, "nothing is left of the ways between"


@pytest.mark.parametrize("kind", PATHS)
def test_another_file_under_the_same_name_is_another_video(kind: str, listing: Listing, tmp_path: Path):
    for place in ("here", "longer", "later"):
        write_source(kind, tmp_path / place)
    first = listing(kind, tmp_path / "here")
    file, *_ = sorted(path for path in tmp_path.glob("longer/**/*.*") if path.suffix != ".txt")
    file.write_bytes(file.read_bytes() + b"more")
    for path in tmp_path.glob("here/**/*"):
        stamps = path.stat()
        for other in ("longer", "later"):
            late = int(1e9) if other == "later" else 0
            os.utime(tmp_path / other / path.relative_to(tmp_path / "here"), ns=(0, stamps.st_mtime_ns + late))
    longer, later = (digests(listing(kind, tmp_path / place, write=False)) for place in ("longer", "later"))
    assert [new == old for new, old in zip(longer, digests(first), strict=True)] == [False, True]
    assert [new == old for new, old in zip(later, digests(first), strict=True)] == [False, False]


def test_other_flow_beside_the_same_frames_is_another_video(listing: Listing, tmp_path: Path):
    write_source("frames", tmp_path / "here")
    for number, flow in enumerate(("clean", "final")):
        for name in "ab":
            (tmp_path / flow / name).mkdir(parents=True)
            path = tmp_path / flow / name / f"{name}.flo"
            path.write_bytes(b"PIEH" + bytes(64))
            os.utime(path, (0, number))
    plain = listing("frames", tmp_path / "here")
    clean = listing("frames", tmp_path / "here", flow=str(tmp_path / "clean"))
    final = listing("frames", tmp_path / "here", flow=str(tmp_path / "final"), write=False)
    os.rename(tmp_path / "clean", tmp_path / "moved")
    moved = listing("frames", tmp_path / "here", flow=str(tmp_path / "moved"), write=False)
    assert digests(moved) == digests(clean)
    assert len({digests(one)[0] for one in (plain, clean, final)}) == 3


def test_catalogs_of_former_versions_are_known_again(listing: Listing, tmp_path: Path, monkeypatch):
    write_source("images", tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    first = listing("images", "here")
    path = tmp_path / "data/catalog.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["modified", "listed"]), path)
    assert [video.modified for video in read_catalog(path)] == [None, None]
    for again in (listing("images", "here", write=False), listing("images", tmp_path / "here", write=False)):
        assert digests(again) == digests(first)
    # As version 0.1.0 wrote them: the digest of an unchanged listing is in every record.
    (old,) = shard_digests([["v"]], [Video("v", "videos", "clips/v.mp4", "CC0", 7, modified=5)])
    assert old == "82d5a2db47b2a1e9ebc91ee0aab92245d7c72198e38e574f9a0b7de8b95a980f"


def test_places_are_noted_where_nothing_else_is_new(listing: Listing, tmp_path: Path):
    write_source("images", tmp_path / "here")
    listing("images", tmp_path / "here")
    os.rename(tmp_path / "here", tmp_path / "there")
    data = tmp_path / "data"
    plan, before = read_plan(data / "plan.json"), read_catalog(data / "catalog.parquet")
    licensed = listing("images", tmp_path / "there", license="CC0", write=False)
    note_places(data, licensed, plan)
    assert read_catalog(data / "catalog.parquet") == before, "the manifest has to be written, and its run notes it"
    moved = listing("images", tmp_path / "there", write=False)
    note_places(data, moved, plan)
    assert read_catalog(data / "catalog.parquet") == moved


@pytest.mark.parametrize("text", ["[]", "{", '{"video": "a"}', "[" * 9999])
def test_a_catalog_whose_first_listing_is_none_is_refused(text: str, listing: Listing, tmp_path: Path):
    write_source("images", tmp_path / "here")
    videos = listing("images", tmp_path / "here")
    data = tmp_path / "data"
    write_listing(data, [replace(video, listed=text) for video in videos], read_plan(data / "plan.json"))
    with pytest.raises(UserError, match=r"catalog.parquet: not a catalog"):
        read_catalog(data / "catalog.parquet")
