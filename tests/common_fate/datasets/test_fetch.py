"""Copies of shared folders, through the command line."""

import shutil

import pytest
from typer.testing import CliRunner

from common_fate.datasets.verify import verify
from common_fate.errors import ShardError, UserError
from common_fate.remote.fetch_file import Patience
from pipeline.cli.app import app
from tests.support.faulty_server import dropped, endless, flipped, serving, status
from tests.support.made_dataset import make_dataset


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "small") / "shards" / "cmp"


@pytest.fixture
def view(made, tmp_path):
    return shutil.copytree(made, tmp_path / "shared")


@pytest.fixture
def server(view, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("COMMON_FATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Patience, "__init__", quick)
    with serving(view) as server:
        yield server


def quick(self, attempts=2, pause=0.01, longest=0.01, silence=0.5):
    """Nobody waits in a test."""
    for name, value in {"attempts": attempts, "pause": pause, "longest": longest, "silence": silence}.items():
        object.__setattr__(self, name, value)


def run(*arguments) -> str:
    """What the command prints; what it raises is raised."""
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    return done.stdout


def same(copy, view) -> bool:
    return {path.name: path.read_bytes() for path in copy.iterdir()} == {
        path.name: path.read_bytes() for path in view.iterdir()
    }


def test_a_copy_is_whole_and_verifies(server, view, tmp_path):
    copy = tmp_path / "copy"
    files = len(list(view.iterdir()))
    assert (
        run("fetch", server.url, "--to", copy) == f"{copy}: complete, every sum is right ({files - 1} files fetched)\n"
    )
    assert same(copy, view)
    assert verify(copy, full=True) == []
    assert "(0 files fetched)" in run("fetch", server.url, "--to", copy)
    assert len(server.asked) == files + 1


def test_only_what_is_missing_or_damaged_is_fetched_again(server, view, tmp_path):
    copy = tmp_path / "copy"
    run("fetch", server.url, "--to", copy)
    (copy / "000001.tar").write_bytes(b"damaged")
    (copy / "sizes.json").unlink()
    assert "(2 files fetched)" in run("fetch", server.url, "--to", copy)
    assert same(copy, view)


def test_interrupted_it_is_not_complete_and_goes_on(server, view, tmp_path):
    copy = tmp_path / "copy"
    server.befall("000001.tar", dropped(5000), status(500))
    with pytest.raises(UserError, match=r"000001\.tar: .*2 times in a row"):
        run("fetch", server.url, "--to", copy)
    assert not (copy / "SHA256SUMS").exists()
    assert not (copy / "000001.tar").exists()
    run("fetch", server.url, "--to", copy)
    assert server.asked_for("000001.tar")[-1] == "bytes=5000-"
    assert len(server.asked_for("000000.tar")) == 1
    assert same(copy, view)


def test_a_shared_folder_with_folders_in_it(server, view, tmp_path):
    (view / "more").mkdir()
    shutil.copy(view / "README.md", view / "more" / "notes.md")
    line = next(line for line in (view / "SHA256SUMS").read_text().splitlines() if line.endswith("README.md"))
    (view / "SHA256SUMS").write_text(line.replace("README.md", "more/notes.md") + "\n")
    run("fetch", server.url, "--to", tmp_path / "copy")
    assert (tmp_path / "copy" / "more" / "notes.md").read_bytes() == (view / "README.md").read_bytes()


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", ".hidden", "a//b", "", "a b", "a/", "./a", "a\\b", "-x"]
)
def test_names_that_lead_out_of_the_folder_are_refused(server, view, tmp_path, name):
    (view / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(ShardError, match=r"SHA256SUMS: lists .* which is refused"):
        run("fetch", server.url, "--to", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_web_page_in_the_place_of_the_sums(server, view, tmp_path):
    (view / "SHA256SUMS").write_text("<html>Please log in</html>")
    with pytest.raises(ShardError, match=r"SHA256SUMS: not what `sha256sum -c` reads: '<html>Please"):
        run("fetch", server.url, "--to", tmp_path / "copy")


def test_a_tar_that_grows_is_read_as_far_as_its_record_says(server, view, tmp_path):
    server.befall("000001.tar", endless, ever=True)
    run("fetch", server.url, "--to", tmp_path / "copy")
    assert same(tmp_path / "copy", view)
    server.befall("000001.tar", flipped(600), ever=True)
    (tmp_path / "copy" / "000001.tar").unlink()
    with pytest.raises(ShardError, match=r"000001\.tar: what arrives has the sha256"):
        run("fetch", server.url, "--to", tmp_path / "copy")
    assert not (tmp_path / "copy" / "000001.tar").exists()


def test_a_tar_without_a_record_is_refused(server, view, tmp_path):
    lines = (view / "SHA256SUMS").read_text().splitlines(keepends=True)
    (view / "SHA256SUMS").write_text("".join(line for line in lines if "000001.json" not in line))
    with pytest.raises(ShardError, match=r"its record of 000001\.tar cannot be used: .*missing"):
        run("fetch", server.url, "--to", tmp_path / "copy")


def test_verify_at_an_address_looks_at_sizes(server, view):
    assert (
        run("verify", server.url) == f"{server.url}: in order (its tables by their sums, its shards by their sizes)\n"
    )
    (view / "000000.tar").unlink()
    (view / "000002.tar").write_bytes(b"short")
    done = CliRunner().invoke(app, ["verify", server.url])
    assert str(done.exception) == f"{server.url}: 2 problems"
    lines = done.stdout.splitlines()
    assert lines[0] == f"{server.url}/000000.tar: there is no such file"
    assert lines[1].startswith(f"{server.url}/000002.tar: has 5 bytes, the manifest says ")
    assert not server.asked_for("000001.tar")  # but its size
    with pytest.raises(
        UserError, match=r"--full reads every byte: copy it \(python -m common_fate fetch http.* --to DIR\)"
    ):
        run("verify", server.url, "--full")
