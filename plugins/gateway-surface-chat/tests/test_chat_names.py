"""Names and ids."""

import re

import pytest
from gateway_surface_chat.names import fitting, originals
from hypothesis import given
from hypothesis import strategies as st

ALPHABET = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize("name", ["f", "toolu_01-A", "x" * 64])
def test_a_name_that_fits_stays(name):
    assert fitting(name) == name


def test_a_made_name_can_be_read():
    assert re.fullmatch(r"files_read_now_[0-9a-f]{12}", fitting("files.read now"))


def test_names_that_look_alike_stay_apart():
    assert len({fitting(name) for name in ("a.b", "a b", "a_b", "a/b", "x" * 65, "x" * 66)}) == 6


@given(st.text(min_size=1))
def test_every_name_fits_and_is_always_the_same(name):
    made = fitting(name)
    assert ALPHABET.fullmatch(made)
    assert fitting(name) == made == fitting(made)


@given(st.lists(st.text(min_size=1), unique=True))
def test_no_two_names_become_one_and_each_is_found_again(names):
    back = originals(names)
    assert len({fitting(name) for name in names}) == len(names)
    assert [back.get(fitting(name), fitting(name)) for name in names] == names
