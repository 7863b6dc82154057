import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.sources.youtube.addresses import address_of, is_youtube, name_of

IDS = st.from_regex(r"[A-Za-z0-9_-]{11}", fullmatch=True)
FORMS = [
    "{}",
    "https://www.youtube.com/watch?v={}",
    "http://youtube.com/watch?feature=share&v={}&t=10s",
    "https://m.youtube.com/watch?v={}#t=3",
    "https://youtu.be/{}?si=abc",
    "https://WWW.YouTube.com/shorts/{}",
    "https://www.youtube.com/embed/{}/?rel=0",
    "https://www.youtube-nocookie.com/embed/{}",
    "https://www.youtube.com/live/{}",
    "https://music.youtube.com/watch?v={}&list=RD1",
]


@given(IDS, st.sampled_from(FORMS))
@example("-----------", "https://youtu.be/{}")
def test_every_form_of_an_id_is_one_address(own: str, form: str):
    address = address_of(form.format(own))
    assert address == f"https://www.youtube.com/watch?v={own}"
    assert is_youtube(address)
    assert re.fullmatch("[A-Za-z0-9_]{1,64}", name_of(address))


@given(IDS, IDS)
@example("a-bcdefghij", "a_bcdefghij")
def test_two_ids_have_two_names(first: str, second: str):
    assert (name_of(address_of(first)) == name_of(address_of(second))) == (first == second)


def test_a_name_is_youtubes_own_where_it_can_be():
    assert name_of(address_of("dQw4w9WgXcQ")) == "dQw4w9WgXcQ"


@pytest.mark.parametrize("address", ["https://example.org/a.mp4", "http://example.org:8080/v?id=3&x=watch#youtube.com"])
def test_other_sites_stay_as_they_are(address: str):
    assert address_of(address) == address
    assert not is_youtube(address)
    assert re.fullmatch("[A-Za-z0-9_]{1,64}", name_of(address))


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("dQw4w9WgXc", "neither an id"),
        ("file:///etc/passwd", "nor an address"),
        ("ytsearch:cats", "nor an address"),
        ("https:///a.mp4", "nor an address"),
        ("https://me:secret@example.org/a.mp4", "without a password"),
        ("http://[::1/a", "nor an address"),
        ("https://example.org:99999/a", "nor an address"),
        ("https://example.org/a b", "blanks"),
        ("https://example.org/" + "a" * 2000, "more than 2000"),
        ("https://www.youtube.com/playlist?list=PL123", "not the address of one video"),
        ("https://www.youtube.com/@name/videos", "not the address of one video"),
        ("https://youtu.be/", "not the address of one video"),
    ],
)
def test_what_is_no_video_is_refused(entry: str, says: str):
    with pytest.raises(ValueError, match=says):
        address_of(entry)


@given(st.text())
def test_any_text_is_an_address_or_refused(entry: str):
    try:
        address = address_of(entry)
    except ValueError:
        return
    assert address.startswith(("http://", "https://", "HTTP", "Http"))
    assert re.fullmatch("[A-Za-z0-9_]{1,64}", name_of(address))
