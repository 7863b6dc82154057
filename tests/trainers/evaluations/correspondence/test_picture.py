"""The picture of matches: what is drawn where, and what its captions say."""

import cv2
import numpy as np

from common_fate.pictures.flow_colors import flow_to_color
from pipeline.columns.flow.networks.matching.matches import Matches
from trainers.evaluations.correspondence.picture import UNMATCHED, Shown, matches_picture, row


def shown(known: bool = True) -> Shown:
    """Points every 8 px that all move by (6, 0) where 8 would be right; those on the right are not verified."""
    image = np.full((3, 48, 80), 0.5, np.float32)
    truth = np.zeros((2, 48, 80), np.float32)
    truth[0] = 8
    valid = np.full((48, 80), known)
    valid[:8] = False
    verified = np.ones((6, 10), np.bool_)
    verified[:, 5:] = False
    flow = np.zeros((2, 6, 10), np.float32)
    flow[0] = 6
    return Shown("v-000001", image, truth, valid, Matches(flow, np.ones((6, 10), np.float32), verified, 4, 8))


def test_matches_are_arrows_and_what_has_none_is_told_from_what_is_not_known():
    (arrows, key), (exact, scale), (nearest, share), (error, right) = row(shown())
    assert key == "v-000001\n30 of 60 matches verified"
    assert scale == "exact\nfull colour 8.0 px"
    assert share == "nearest match\n56 % of pixels have one"  # up to pixel 36 + 8 of 80
    assert right == "error, brightest from 10 px\n56.2 % within that"
    changed = (arrows != 128).any(axis=2)
    assert changed[:, :44].any()
    assert not changed[:, 52:].any()
    assert (exact[:8] == 0).all()
    assert (nearest[:, 45:] == 0).all()
    moved = flow_to_color(np.array([6.0, 0.0], np.float32).reshape(2, 1, 1), max_magnitude=8)[0, 0]
    assert (nearest[:, :45] == moved).all()
    assert (error[:8] == 0).all()
    assert (error[8:, 45:] == UNMATCHED).all()
    assert (error[8:, :45] == error[8, 0]).all()


def test_a_pair_of_which_nothing_is_known_is_drawn_and_says_so():
    *_, (error, right) = row(shown(known=False))
    assert right.endswith("nowhere known")
    assert not error.any()
    sheet = cv2.imdecode(np.frombuffer(matches_picture("Matches of one: 1 pair", [shown(known=False)]), np.uint8), 1)
    assert sheet.shape[0] > 100
