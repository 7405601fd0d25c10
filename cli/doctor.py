"""`hgraph doctor`."""

import importlib
import importlib.metadata
import os
import platform
import sys

import click

from hgraph import __version__

PACKAGES = ("torch", "torch-geometric", "transformers", "accelerate", "datasets", "scikit-learn", "scipy", "numpy")


@click.command("doctor")
def command() -> None:
    """Print versions and hardware, and say what is missing and which command brings it."""
    rows = [("hgraph", __version__), ("python", f"{platform.python_version()} ({sys.executable})")]
    rows += [("platform", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{_memory()}")]
    problems = []
    for package in PACKAGES:
        try:
            rows.append((package, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            rows.append((package, "missing"))
            problems.append(f"{package} is missing: pip install --force-reinstall hgraph-text")
    rows.append(("faiss", _faiss()))
    try:
        rows.append(("gpu", _gpu()))
    except ImportError as error:
        problems.append(f"torch does not import: {error}")
    for name, value in rows:
        click.echo(f"{name:16s} {value}")
    for problem in problems:
        click.echo(f"Problem: {problem}", err=True)
    if problems:
        sys.exit(1)
    click.echo("\nAll that hgraph needs is there.")


def _memory() -> str:
    try:
        gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return ""
    return f", {gigabytes:.0f} GiB"


def _faiss() -> str:
    from hgraph.retrieval import faiss_or_none

    faiss = faiss_or_none()
    if faiss is None:
        return 'not installed, exact search is used; to have it: pip install "hgraph-text[cpu]"'
    return f"{faiss.__version__}, {faiss.get_num_gpus()} GPUs"


def _gpu() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none, everything runs on the CPU"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{', '.join(names)} (CUDA {torch.version.cuda})"
