import pytest

from trainers.data.voc_annotations import MAX_XML_BYTES, VocObject, parse_annotation

SIZE = "<size><width>50</width><height>40</height></size>"
BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>10.5</xmax><ymax>40</ymax></bndbox>"
CAT = f"<object><name>cat</name><difficult>1</difficult>{BOX}</object>"
DOG = f"<object><name> dog </name>{BOX}<part><name>head</name>{BOX}</part></object>"


def xml(*parts, head=""):
    return f"{head}<annotation>{''.join(parts)}</annotation>".encode()


def test_pixels_from_one_become_edges_from_zero():
    size, objects = parse_annotation(xml(SIZE, CAT, DOG))
    assert size == (40, 50)
    box = (0, 1, 10.5, 40)
    assert objects == [VocObject("cat", box, True), VocObject("dog", box, False)], "and parts are no objects"
    assert parse_annotation(xml(SIZE))[1] == []


BOMB = '<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]>'


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (xml(SIZE, head=BOMB), "declares a document type"),
        (xml(SIZE, head=BOMB.replace("DOCTYPE lolz", "DOCTYPE x SYSTEM 'file:///etc/passwd'")), "document type"),
        (xml(SIZE).decode().encode("utf-16"), "utf-8"),
        (xml(SIZE)[:-5], "not XML"),
        (b"", "not XML"),
        (xml(SIZE) + b" " * MAX_XML_BYTES, "larger than"),
        (xml(CAT), "size/height is None: should be a number"),
        (xml(SIZE, CAT.replace("10.5", "many")), "bndbox/xmax is 'many'"),
        (xml(SIZE, CAT.replace("10.5", "nan")), "bndbox/xmax is 'nan'"),
        (xml(SIZE, CAT.replace("10.5", "1e99")), "bndbox/xmax is '1e99'"),
        (xml(SIZE, CAT.replace(BOX, "")), "bndbox/xmin is None"),
        (xml(SIZE, CAT.replace("cat", "")), "an object has no name"),
    ],
)
def test_other_files_are_refused(data, says):
    with pytest.raises(ValueError, match=says):
        parse_annotation(data)
