import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common_fate.errors import UserError
from common_fate.remote.fetch_file import Patience
from pipeline.cli.app import app
from pipeline.sources.youtube import SOURCE, YouTubeOptions
from pipeline.sources.youtube.youtube8m import read_vocabulary, resolve
from tests.support.faulty_server import FaultyServer, endless, serving, status

VOCABULARY = 'mid = "015p6"\tBird (12)\nmid = "01yrx"\tCat (4)\nmid = "0x"\tNike &amp; Co. (1)\nmid = "0y"\tcat (1)\n'
QUICK = Patience(attempts=3, pause=0.01, silence=1)


def real(one: str) -> str:
    return f"{one}-realid"


def serve_video(folder: Path, one: str) -> None:
    (folder / "i" / one[:2]).mkdir(parents=True, exist_ok=True)
    (folder / "i" / one[:2] / f"{one}.js").write_text(f'i("{one}","{real(one)}");')


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FaultyServer]:
    """Twelve birds, every third of them gone; three cats, one of them a bird, and one in a category called the same."""
    folder = tmp_path / "index"
    (folder / "v").mkdir(parents=True)
    birds = [f"b{n:02d}x" for n in range(12)]
    for mid, ids in {"015p6": birds, "01yrx": ["c01x", "c02_", "b01x"], "0y": ["y-01"]}.items():
        (folder / "v" / f"{mid}.js").write_text(f'p("{mid}",{json.dumps(ids, separators=(",", ":"))});')
    for one in ["c01x", "c02_", "y-01", *(bird for n, bird in enumerate(birds) if n % 3)]:
        serve_video(folder, one)
    (tmp_path / "vocabulary.txt").write_text(VOCABULARY)
    with serving(folder) as one:
        yield one


def look_up(server: FaultyServer, to: Path, categories: list[str], count: int, **options) -> list[str]:
    resolve(categories, to.parent / "vocabulary.txt", count, to, index=server.url, pause=0, patience=QUICK, **options)
    return to.read_text().splitlines()


def videos(to: Path, **options) -> dict[str, str]:
    listed = SOURCE.videos(YouTubeOptions(path=str(to), **options), "x")
    return {json.loads(video.uri)["address"][-11:]: json.loads(video.about)["category"] for video in listed}


def test_the_command_writes_a_list_that_the_source_reads(server: FaultyServer, tmp_path: Path):
    to = tmp_path / "ids.txt"
    options = ["--vocabulary", str(tmp_path / "vocabulary.txt"), "--per-category", "4", "--to", str(to), "--pause", "0"]
    done = CliRunner().invoke(app, ["youtube8m", "bird", "Cat", *options, "--index", server.url])
    assert done.exit_code == 0, done.output
    found = videos(to)
    assert f"wrote {to}: {len(found)} videos" in done.output
    assert set(videos(to, categories=["CAT"])) == {real(one) for one in ("c01x", "c02_", "b01x", "y-01")}
    assert len(videos(to, categories=["bird"])) in (4, 5)  # with the cat that is a bird, if the draw left it out
    assert all("Cat" in category for one, category in found.items() if one[0] in "cy")


def test_the_same_seed_draws_the_same_and_more_of_it_keeps_what_there_is(server: FaultyServer, tmp_path: Path):
    few, many, whole = (tmp_path / name for name in ("few", "many", "whole"))
    look_up(server, few, ["Bird"], 3)
    look_up(server, many, ["Bird"], 3)
    assert few.read_text() == many.read_text()
    look_up(server, many, ["Bird"], 6)
    look_up(server, whole, ["Bird"], 6)
    assert whole.read_text() == many.read_text()
    assert set(videos(few)) < set(videos(many))
    look_up(server, tmp_path / "other", ["Bird"], 3, seed=1)
    assert set(videos(tmp_path / "other")) != set(videos(few))


def test_nothing_that_is_known_is_asked_again(server: FaultyServer, tmp_path: Path):
    to = tmp_path / "ids"
    before = look_up(server, to, ["Bird"], 8)
    asked = len(server.asked)
    assert look_up(server, to, ["Bird"], 8) == before
    assert [name for name, _ in server.asked[asked:]] == ["v/015p6.js"]


def test_what_was_looked_up_before_a_fault_is_kept(server: FaultyServer, tmp_path: Path):
    to = tmp_path / "ids"
    expected = look_up(server, tmp_path / "whole", ["Bird"], 8)
    names = [name for name, _ in server.asked]
    server.befall(names[6], status(500), ever=True)
    with pytest.raises(UserError, match=r"500 .*3 times in a row: run again later"):
        look_up(server, to, ["Bird"], 8)
    asked = len(server.asked)
    server.faults.clear()
    assert look_up(server, to, ["Bird"], 8) == expected
    assert [name for name, _ in server.asked[asked:]] == [names[0], *names[6:]]


def test_a_category_with_too_few_says_so(server: FaultyServer, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    look_up(server, tmp_path / "ids", ["Bird"], 9)
    assert "Bird has 8 videos that are still there: 9 were asked for" in caplog.text
    assert len(videos(tmp_path / "ids")) == 8


def test_a_passing_fault_and_a_video_that_nobody_may_see_stop_nothing(server: FaultyServer, tmp_path: Path):
    expected = look_up(server, tmp_path / "whole", ["Bird"], 8)
    server.befall("v/015p6.js", status(503))
    for n in range(0, 12, 3):
        server.befall(
            f"i/b{n // 10}/b{n:02d}x.js", status(403), ever=True
        )  # a store that cannot be listed, of what it lacks
    assert look_up(server, tmp_path / "ids", ["Bird"], 8) == expected


@pytest.mark.parametrize(
    ("name", "answer", "says"),
    [
        ("v/015p6.js", b'p("015p6",[__import__("os").abort()]);', "should answer p"),
        ("v/015p6.js", b'p("01yrx",["b01x"]);', "should answer p"),
        ("v/015p6.js", b'p("015p6",["../x"]);', "should answer p"),
        ("v/015p6.js", b"<html>Please log in</html>", "should answer p"),
        ("i/b0/b01x.js", b'i("b01x","../../../../x")', "should answer i"),
        ("i/b0/b01x.js", b'i("c01x","c01x-realid");', "should answer i"),
        ("i/b0/b01x.js", b"x" * 5000, "more than 4096 bytes"),
        ("v/015p6.js", None, "there is no such category"),
    ],
)
def test_an_answer_of_another_form_is_refused(
    server: FaultyServer, tmp_path: Path, name: str, answer: bytes | None, says: str
):
    (server.folder / name).unlink()
    if answer:
        (server.folder / name).write_bytes(answer)
    with pytest.raises(UserError, match=says):
        look_up(server, tmp_path / "ids", ["Bird"], 12)


def test_an_endless_answer_ends(server: FaultyServer, tmp_path: Path):
    server.befall("i/b0/b01x.js", endless, ever=True)
    with pytest.raises(UserError, match="more than 4096 bytes"):
        look_up(server, tmp_path / "ids", ["Bird"], 12)


def test_an_index_that_leads_nowhere_is_not_asked_on_and_on(server: FaultyServer, tmp_path: Path):
    ids = ",".join(f'"z{n:03d}"' for n in range(500))
    (server.folder / "v" / "015p6.js").write_text(f'p("015p6",[{ids}])')
    with pytest.raises(UserError, match="leads to no video, 100 times in a row"):
        look_up(server, tmp_path / "ids", ["Bird"], 1)
    assert len(server.asked) == 101


def test_a_file_of_somebody_elses_is_left_alone(server: FaultyServer, tmp_path: Path):
    (tmp_path / "ids").write_text("dQw4w9WgXcQ\n")
    with pytest.raises(UserError, match="line 1: was not written by this command"):
        look_up(server, tmp_path / "ids", ["Bird"], 1)
    assert (tmp_path / "ids").read_text() == "dQw4w9WgXcQ\n"


def test_an_unknown_category_has_neighbours(server: FaultyServer, tmp_path: Path):
    with pytest.raises(UserError, match=r"no category is called 'Birds': is it bird\?"):
        look_up(server, tmp_path / "ids", ["Birds"], 1)
    assert not server.asked


def test_the_published_vocabulary_has_the_papers_categories(shared_data: Path):
    vocabulary = read_vocabulary(shared_data / "lists" / "youtube8mcategories.txt")
    assert [vocabulary[name] for name in ("bird", "cat", "dog")] == [
        [("015p6", "Bird")],
        [("01yrx", "Cat")],
        [("0bt9lr", "Dog")],
    ]
    assert sum(map(len, vocabulary.values())) == 3862
    assert "command & conquer" in vocabulary


def test_a_vocabulary_of_another_form_is_refused(tmp_path: Path):
    (tmp_path / "v.txt").write_text('mid = "015p6"\tBird (12)\nBird,12\n')
    with pytest.raises(UserError, match=r"line 2: should be `mid = "):
        read_vocabulary(tmp_path / "v.txt")
