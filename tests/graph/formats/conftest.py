"""Files to read, and no network to reach."""

import gzip
import socket

import pytest


@pytest.fixture
def put(tmp_path):
    """Write bytes or text to a file, gzipped when its name says so, and return its path."""

    def write(name, content):
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(data, compresslevel=1) if name.endswith(".gz") else data)
        return path

    return write


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Every reader works without a socket."""

    def refuse(*arguments, **options):
        raise AssertionError("a reader opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
