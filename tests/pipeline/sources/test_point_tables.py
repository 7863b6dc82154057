"""Tables of named points, in the ways in which people have them."""

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common_fate.errors import UserError
from pipeline.sources.named_points import KNOWN_NAMES
from pipeline.sources.point_tables import PointTable, read_points, with_side

WHERE = "config.yaml: datasets.x.source.points"
IMAGES = ["/data/faces/a.jpg", "/data/faces/b.png", "/data/more/c.d.jpg"]


def read(tmp_path: Path, text: str, name: str = "points.csv", **more: object) -> PointTable:
    (tmp_path / name).write_text(text)
    options = {"images": IMAGES, "names": None, "only": None} | more
    return read_points(str(tmp_path / name), where=WHERE, **options)


@pytest.mark.parametrize(
    "header",
    [
        "file,left_eye_x,left_eye_y,nose_x,nose_y",
        "Image,leftEye.x,leftEye.y,Nose.x,Nose.y",
        "image_id,lefteye_x,lefteye_y,nose_x,nose_y",
        "filename,L_Eye X,L_Eye Y,nose X,nose Y",
        ",left_eyex,left_eyey,nosex,nosey",
    ],
)
def test_columns_are_known_by_how_people_call_them(tmp_path: Path, header: str):
    table = read(tmp_path, f"{header}\na.jpg,1,2.5,3,4\n")
    assert table.names == ("left_eye", "nose")
    assert table.images["/data/faces/a.jpg"].points.rows == ((2.5, 1, 1), (4, 3, 1))
    assert [*table.images] == ["/data/faces/a.jpg"]


def test_a_box_beside_named_points_is_none_of_them(tmp_path: Path):
    table = read(tmp_path, "image,class,x0,y0,x1,y1,nose_x,nose_y,nose_v\na,dog,9,9,20,20,12,13,1\n")
    assert table.names == ("nose",)
    row = table.images["/data/faces/a.jpg"]
    assert row.points.rows == ((13, 12, 1),)
    assert row.facts == {"class": "dog", "x0": "9", "y0": "9", "x1": "20", "y1": "20"}


def test_numbered_points_go_by_their_numbers(tmp_path: Path):
    table = read(tmp_path, "file,x1,y1,x10,y10,x2,y2\na.jpg,1,2,5,6,3,4\n")
    assert table.names == ("1", "2", "10")
    assert table.images["/data/faces/a.jpg"].points.rows == ((2, 1, 1), (4, 3, 1), (6, 5, 1))


@pytest.mark.parametrize("first", [0, 1])
def test_68_numbered_points_are_those_of_300w(tmp_path: Path, first: int):
    numbers = range(first, first + 68)
    for header in ([f"x{n},y{n}" for n in numbers], [f"landmark_{n}_x,landmark_{n}_y" for n in numbers]):
        table = read(tmp_path, f"file,{','.join(header)}\na.jpg,{','.join(map(str, range(136)))}\n")
        assert table.names == KNOWN_NAMES["faces_68"]
        assert table.images["/data/faces/a.jpg"].points.rows[67] == (135, 134, 1)


def test_names_may_be_given(tmp_path: Path):
    text = f"file,{','.join(f'x{n},y{n}' for n in range(5))}\na.jpg,{','.join('1' * 10)}\n"
    assert read(tmp_path, text, names="faces_5").names == KNOWN_NAMES["faces_5"]
    assert read(tmp_path, text, names=list("vwxyz")).names == tuple("vwxyz")
    assert read(tmp_path, text).names == tuple("01234")
    with pytest.raises(UserError, match=r"'.*points\.csv': has 5 points, and point_names 68$"):
        read(tmp_path, text, names="faces_68")


@pytest.mark.parametrize(
    ("name", "sided"),
    [
        ("left_eye", "left_eye"),
        ("L_Eye", "left_eye"),
        ("leftEye", "left_eye"),
        ("RIGHTEYE", "right_eye"),
        ("eye-left", "left_eye"),
        ("mouth_right_corner", "right_mouth_corner"),
        ("R_F_Elbow", "right_f_elbow"),
        ("nose", "nose"),
        ("Throat", "throat"),
        ("l", "l"),
        ("left_to_right", "left_to_right"),
        ("鼻", "鼻"),
    ],
)
def test_a_side_stands_in_front_of_a_name(name: str, sided: str):
    assert with_side(name) == sided


def test_what_is_empty_is_not_known_and_what_is_hidden_has_a_place(tmp_path: Path):
    header = "file,nose_x,nose_y,nose_v,chin_x,chin_y"
    table = read(tmp_path, f"{header}\na.jpg,1,2,0,,\nb.png,,,0,NaN,nan\nc.d.jpg,3,4,,0,0\n")
    assert [one.points.rows for one in table.images.values()] == [
        ((2, 1, 0), (0, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((4, 3, 1), (0, 0, 1)),
    ]


def test_visibility_as_coco_has_it(tmp_path: Path):
    table = read(tmp_path, "file,x0,y0,v0\na.jpg,1,2,2\nb.png,3,4,1\nc.d,5,6,0\n")
    assert [one.points.rows for one in table.images.values()] == [((2, 1, 1),), ((4, 3, 0),), ((0, 0, 0),)]


@pytest.mark.parametrize(
    ("file", "image"),
    [
        ("a.jpg", 0),
        ("a", 0),
        ("faces/a.jpg", 0),
        ("./faces/a", 0),
        ("faces\\a.jpg", 0),
        ("/data/faces/a.jpg", 0),
        ("c.d", 2),
        ("more/c.d.jpg", 2),
    ],
)
def test_an_image_is_known_by_its_name_and_folders(tmp_path: Path, file: str, image: int):
    assert [*read(tmp_path, f"file,x0,y0\n{file},1,2\n").images] == [IMAGES[image]]


def test_rows_may_be_chosen(tmp_path: Path):
    text = "file,split,x0,y0\na.jpg,train,1,2\nb.png,val,3,4\nelsewhere.png,test,3,4\n"
    assert [*read(tmp_path, text, only={"split": "val"}).images] == [IMAGES[1]]
    assert [*read(tmp_path, text, only={"split": "val", "x0": 3}).images] == [IMAGES[1]]
    with pytest.raises(UserError, match="no column 'fold': the columns are 'file, split, x0, y0'"):
        read(tmp_path, text, only={"fold": "val"})
    with pytest.raises(UserError, match=r"no row with \{'split': 'dev'\}"):
        read(tmp_path, text, only={"split": "dev"})


def test_images_that_path_leaves_out_may_have_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).touch()
    text = "file,x0,y0\na.jpg,1,2\nb,3,4\nc.jpg,5,6\n"
    with caplog.at_level(logging.WARNING):
        table = read(tmp_path, text, images=[str(tmp_path / "a.jpg")])
    assert [*table.images] == [str(tmp_path / "a.jpg")]
    assert caplog.messages == [f"{WHERE}: 2 rows are of images that `path` leaves out"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no row"),
        ("file,x0,y0\n", "has no row"),
        ("file,class\na.jpg,dog\n", "has no columns of points, such as nose_x and nose_y, or x0 and y0"),
        ("photo,x0,y0\na.jpg,1,2\n", "has no column of files: call it `file`"),
        ("file,nose_x,nose_y,chin_x\na.jpg,1,2,3\n", "has 'chin_x' and not its other coordinate"),
        ("file,x0,y0,x1\na.jpg,1,2,3\n", "has 'x1' and not its other coordinate"),
        ("file,x0,y0\na.jpg,1\n", "row 2: it has 2 columns, and the header has 3"),
        ("file,x0,y0\na.jpg,1,two\n", "row 2: 'two' is no coordinate in pixels"),
        ("file,x0,y0\na.jpg,1,inf\n", "row 2: 'inf' is no coordinate in pixels"),
        ("file,x0,y0\na.jpg,1,\n", "row 2: 'y0' is empty, and its other coordinate is not"),
        ("file,x0,y0,v0\na.jpg,,,1\n", "row 2: '0' is visible by 'v0', and has no place"),
        ("file,x0,y0,v0\na.jpg,1,2,7\n", "row 2: 'v0' is '7', and says neither 1, visible, nor 0, hidden"),
        ("file,x0,y0\na.jpg,1,2\na,3,4\n", "row 3: 'a' has points in row 2: an image has one row"),
        ("file,x0,y0\nz.jpg,1,2\n", "row 2: 'z.jpg' is none of the images, and does not lie beside them"),
        ("file,x0,y0\nmore/a.jpg,1,2\n", "row 2: 'more/a.jpg' is none of the images"),
        ("file,L_eye_x,L_eye_y,leftEye_x,leftEye_y\na.jpg,1,2,3,4\n", "two of its points are called 'left_eye'"),
    ],
)
def test_a_table_that_says_something_else_is_refused_in_a_line(tmp_path: Path, text: str, said: str):
    with pytest.raises(UserError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(f"{WHERE} '{tmp_path}/points.csv': {said}")
    assert "\n" not in str(error.value)


def test_a_name_in_two_folders_needs_its_folder(tmp_path: Path):
    images = ["/d/train/1.jpg", "/d/val/1.jpg"]
    with pytest.raises(UserError, match=r"may be '/d/train/1\.jpg' or '/d/val/1\.jpg': name its folder as well"):
        read(tmp_path, "file,x0,y0\n1.jpg,1,2\n", images=images)
    assert [*read(tmp_path, "file,x0,y0\nval/1.jpg,1,2\n", images=images).images] == images[1:]


def test_names_that_cannot_be_shown_are_refused(tmp_path: Path):
    for name in ("\x1b[31m", "\u202e", "n" * 201):
        with pytest.raises(UserError, match="a point cannot be called"):
            read(tmp_path, f"file,{name}_x,{name}_y\na,1,2\n")
    with pytest.raises(UserError, match="a point cannot be called"):
        read(tmp_path, r'{"file": "a", "\ud800_x": 1, "\ud800_y": 2}', "points.jsonl")
    with pytest.raises(UserError, match="a point cannot be called ''"):
        read(tmp_path, "file,x0,y0\na,1,2\n", names=[""])


def test_many_images_of_one_name_do_not_look_at_each_other(tmp_path: Path):
    images = [f"/data/{number}/face.jpg" for number in range(20_000)]
    rows = "".join(f"{number}/face.jpg,{number},2\n" for number in range(20_000))
    table = read(tmp_path, "file,x0,y0\n" + rows, images=images)
    assert [table.images[image].points.rows[0][1] for image in images] == [*range(20_000)]


def test_a_table_that_is_not_there_is_told(tmp_path: Path):
    with pytest.raises(UserError, match=r"points '/no/t\.csv': cannot be read: No such file"):
        read_points("/no/t.csv", IMAGES, None, None, WHERE)


NUMBERS = st.one_of(st.none(), st.floats(-1000, 1000, width=32), st.integers(-1000, 1000))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=3))
def test_every_format_of_table_gives_the_same_points(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[float | None, float | None]]
):
    folder = tmp_path_factory.mktemp("tables")
    places = [(None, None) if None in place else (float(place[0] or 0), float(place[1] or 0)) for place in places]
    columns = {"file": IMAGES[: len(places)]} | {"nose_x": [x for x, _ in places], "nose_y": [y for _, y in places]}
    kinds = {"file": pa.string(), "nose_x": pa.float64(), "nose_y": pa.float32()}
    pq.write_table(
        pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()}), folder / "t.parquet"
    )
    rows = ["" if value is None else repr(value) for place in places for value in place]
    lines = [f"{image},{rows[2 * n]},{rows[2 * n + 1]}\n" for n, image in enumerate(columns["file"])]
    (folder / "t.csv").write_text("file,nose_x,nose_y\n" + "".join(lines))
    known = tuple(((0.0, 0.0, 0) if x is None else (y, x, 1),) for x, y in places)
    for name in ("t.parquet", "t.csv"):
        found = read_points(str(folder / name), IMAGES, None, None, WHERE).images
        assert tuple(found[image].points.rows for image in columns["file"]) == known
