from common_fate.datasets.reasons import MANY, counted_as


def test_many_that_differ_in_numbers_alone_are_counted_as_one():
    many = [f"a mask of {width}x48 beside a frame of {width + 1}x48" for width in range(60, 60 + MANY + 1)]
    assert set(counted_as(many).values()) == {"a mask of …x48 beside a frame of …x48"}
    assert counted_as([*many, "the file is empty"])["the file is empty"] == "the file is empty"


def test_a_few_stay_apart_however_often_they_come():
    answers = [f"the server answers {code}" for code in (401, 403, 404, 410, 451, 500, 503, 504)]
    assert counted_as(answers * 9) == {answer: answer for answer in answers}
    assert counted_as([]) == {}
