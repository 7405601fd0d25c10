"""With faiss, without it, and never before it is needed."""

import logging
import subprocess
import sys

import pytest

from hgraph.errors import ConfigError
from hgraph.retrieval import ExactIndex, FaissIndex, build_index, faiss_or_none, nearest, require_faiss

VECTORS = [[1.0, 0.0], [0.0, 1.0]]


@pytest.fixture
def no_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    faiss_or_none.cache_clear()
    yield
    faiss_or_none.cache_clear()


def test_importing_retrieval_does_not_import_faiss():
    code = "import sys, hgraph.retrieval; sys.exit('faiss' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.usefixtures("no_faiss")
def test_auto_falls_back_to_exact_and_says_so_once(caplog):
    with caplog.at_level(logging.INFO, logger="hgraph.retrieval"):
        index = build_index(VECTORS)
    assert isinstance(index, ExactIndex)
    assert index.similarity == "cosine"
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.INFO
    assert 'pip install "hgraph-text[cpu]"' in caplog.text
    assert nearest([[0.1, 1.0]], VECTORS, 1)[1].tolist() == [[1]]


@pytest.mark.usefixtures("no_faiss")
def test_asking_for_faiss_names_the_extra():
    assert faiss_or_none() is None
    for call in (
        lambda: build_index(VECTORS, backend="faiss"),
        lambda: FaissIndex(VECTORS),
        lambda: require_faiss("Mining"),
    ):
        with pytest.raises(ConfigError, match=r'needs faiss, .*pip install "hgraph-text\[cpu\]" .*\[gpu\]') as error:
            call()
        assert "\n" not in str(error.value)


@pytest.mark.usefixtures("no_faiss")
def test_exact_needs_no_faiss_and_says_nothing(caplog):
    with caplog.at_level(logging.INFO, logger="hgraph.retrieval"):
        assert isinstance(build_index(VECTORS, backend="exact"), ExactIndex)
    assert not caplog.records


def test_a_broken_installation_is_not_hidden(monkeypatch, tmp_path):
    (tmp_path / "faiss.py").write_text("raise OSError('libgomp is broken')", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "faiss", raising=False)
    faiss_or_none.cache_clear()
    with pytest.raises(OSError, match="libgomp"):
        faiss_or_none()


@pytest.mark.skipif(faiss_or_none() is None, reason="faiss is not installed")
def test_auto_takes_faiss_where_it_is(caplog):
    assert require_faiss("a test") is faiss_or_none()
    with caplog.at_level(logging.INFO, logger="hgraph.retrieval"):
        assert isinstance(build_index(VECTORS), FaissIndex)
    assert not caplog.records


def test_an_unknown_backend_lists_the_choices():
    with pytest.raises(ConfigError, match="'backend' must be one of auto, exact, faiss, but got 'annoy'"):
        build_index(VECTORS, backend="annoy")
