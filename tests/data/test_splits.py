"""Splits are a function of the text alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgraph.data import split_indices
from hgraph.errors import ConfigError

FRACTIONS = {"train": 0.8, "val": 0.1, "test": 0.1}


def place(texts, **options):
    """The split of each text."""
    parts = split_indices(texts, FRACTIONS, **options)
    found = {int(row): name for name, rows in parts.items() for row in rows}
    assert sum(map(len, parts.values())) == len(found) == len(texts)
    return [found[row] for row in range(len(texts))]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=5), max_size=30), st.lists(st.text(max_size=5), max_size=30), st.integers(0, 9))
def test_other_documents_do_not_move_a_text(texts, others, seed):
    alone = place(texts, seed=seed)
    assert place(others + texts, seed=seed)[len(others) :] == alone
    assert place(texts[::-1], seed=seed)[::-1] == alone


def test_equal_texts_stay_together_whatever_their_white_space():
    for number in range(50):
        assert len(set(place([f"a {number}", f"a  {number}\n", f" a\t{number}"]))) == 1


def test_shares_are_about_right_and_rows_ascend():
    texts = [f"document {i}" for i in range(20_000)]
    parts = split_indices(texts, FRACTIONS)
    assert list(parts) == list(FRACTIONS)
    for name, rows in parts.items():
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()
        # Four standard deviations of a binomial.
        assert abs(len(rows) / 20_000 - FRACTIONS[name]) < 4 * np.sqrt(FRACTIONS[name] * (1 - FRACTIONS[name]) / 20_000)


def test_the_seed_matters():
    texts = [f"document {i}" for i in range(200)]
    assert place(texts, seed=1) == place(texts, seed=1)
    assert place(texts, seed=1) != place(texts, seed=2)


@pytest.mark.parametrize("fractions", [{"a": 0.0, "b": 1.0, "c": 0.0}, {"b": 1.0}])
def test_a_share_of_zero_stays_empty(fractions):
    parts = split_indices([str(i) for i in range(300)], fractions)
    assert {name: len(rows) for name, rows in parts.items()} == {name: int(300 * s) for name, s in fractions.items()}


@pytest.mark.parametrize("fractions", [{"a": 0.5}, {"a": -0.5, "b": 1.5}, {"a": float("nan"), "b": 0.5}, {}])
def test_shares_that_do_not_add_up(fractions):
    with pytest.raises(ConfigError, match="add up to 1"):
        split_indices(["x"], fractions)
