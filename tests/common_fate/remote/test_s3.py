"""Shards in an S3-style store: moto's, on this machine."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from common_fate.datasets.fetch import fetch
from common_fate.errors import ShardError, UserError
from common_fate.remote.cache import Cache
from common_fate.remote.fetch_file import Patience, fetch_file, partial_path, remote_size
from common_fate.torch import ShardDataset, stream
from pipeline.downloads.http import fetch_address
from pipeline.downloads.policy import DownloadPolicy, Gone, Later
from tests.support.faulty_server import FaultyServer, serving
from tests.support.made_dataset import make_dataset

SHORT = Patience(attempts=2, pause=0.01, silence=2)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("data") / "small") / "shards" / "cmp"


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def store(endpoint, view, monkeypatch) -> str:
    """The address of the view in a bucket."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    system = fsspec.filesystem("s3")
    if not system.exists("lab"):
        system.mkdir("lab")
        system.put(str(view), "lab/cmp", recursive=True)
    return "s3://lab/cmp"


def test_the_same_samples_as_from_the_folder(store, view, tmp_path):
    cache = Cache(tmp_path / "cache", patience=SHORT)
    remote, local = ShardDataset(store, cache=cache), ShardDataset(view)
    assert len(remote) == len(local) == 11
    assert all((remote[row]["flow"] == local[row]["flow"]).all() for row in range(11))
    assert [sample["key"] for sample in stream(store, cache=cache)] == local.keys.to_pylist()


OURS = DownloadPolicy(s3_credentials=True)


def test_a_video_is_fetched_and_gone_on_with(store, view, tmp_path):
    data = (view / "000000.tar").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    (tmp_path / "to").write_bytes(data[:1000])
    fetch_address(f"{store}/000000.tar", OURS, tmp_path / "to", sha256=sha256)
    assert (tmp_path / "to").read_bytes() == data
    with pytest.raises(Gone, match="the server answers 404"):
        fetch_address(f"{store}/none.mp4", OURS, tmp_path / "to")
    with pytest.raises(Later, match=r"see download\.allow_hosts"):
        fetch_address(f"{store}/000000.tar", DownloadPolicy(allow_hosts=("other",)), tmp_path / "to")


@pytest.fixture
def metadata(tmp_path, monkeypatch) -> Iterator[FaultyServer]:
    """What stands for a cloud's metadata, 169.254.169.254, where there are no other credentials."""
    (tmp_path / "metadata").mkdir()
    fsspec.filesystem("s3").clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with serving(tmp_path / "metadata") as server:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url.removesuffix("shared"))
        yield server
    fsspec.filesystem("s3").clear_instance_cache()


def test_rows_of_a_list_are_read_as_anybody_would(store, view, tmp_path):
    """With the user's own keys at hand, which would open the private file."""
    system = fsspec.filesystem("s3")
    system.call_s3("put_object_acl", Bucket="lab", Key="cmp/000001.tar", ACL="public-read")
    fetch_address(f"{store}/000001.tar", DownloadPolicy(), tmp_path / "to")
    assert (tmp_path / "to").read_bytes() == (view / "000001.tar").read_bytes()
    with pytest.raises(Later, match=r"not for everybody: see download\.s3_credentials") as told:
        fetch_address(f"{store}/000000.tar", DownloadPolicy(), tmp_path / "other")
    assert told.value.turned_away_by == "lab"


def test_rows_of_a_list_ask_nobody_for_credentials(store, metadata, tmp_path):
    with pytest.raises(Later, match=r"not for everybody: see download\.s3_credentials"):
        fetch_address(f"{store}/000000.tar", DownloadPolicy(), tmp_path / "to")
    assert metadata.hits == 0
    with pytest.raises(Later, match="there are no credentials for s3"):
        fetch_address(f"{store}/000000.tar", OURS, tmp_path / "to")
    assert metadata.hits


def test_a_mirror_and_what_it_lacks(store, view, tmp_path):
    assert fetch(store, tmp_path / "copy", SHORT) == len(list(view.iterdir())) - 1
    for file in view.iterdir():
        assert (tmp_path / "copy" / file.name).read_bytes() == file.read_bytes()
    with pytest.raises(ShardError, match=r"^s3://lab/nothing/SHA256SUMS: there is no such file$"):
        fetch("s3://lab/nothing", tmp_path / "nothing", SHORT)


def test_taken_up_where_it_stopped_and_checked(store, view, tmp_path):
    data = (view / "000001.tar").read_bytes()
    address, sha256, to = f"{store}/000001.tar", hashlib.sha256(data).hexdigest(), tmp_path / "tar"
    assert remote_size(address, SHORT) == len(data)
    partial_path(to).write_bytes(data[:1000])
    fetch_file(address, to, sha256, len(data), patience=SHORT)
    assert to.read_bytes() == data
    with pytest.raises(ShardError, match=rf"000001\.tar: what arrives has the sha256 {sha256}, and should have 0000"):
        fetch_file(address, tmp_path / "other", "0" * 64, patience=SHORT)
    with pytest.raises(ShardError, match=rf"000001\.tar: has {len(data)} bytes, and should have 7"):
        fetch_file(address, tmp_path / "other", sha256, 7, patience=SHORT)


def test_without_credentials_or_a_store(store, tmp_path, monkeypatch):
    fsspec.filesystem("s3").clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^s3://lab/cmp/SHA256SUMS: .*, 2 times in a row: check the address"):
        fetch(store, tmp_path / "copy", SHORT)
    fsspec.filesystem("s3").clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"SHA256SUMS: no access, there are no credentials: .*AWS_ACCESS_KEY_ID"):
        fetch(store, tmp_path / "copy", SHORT)
