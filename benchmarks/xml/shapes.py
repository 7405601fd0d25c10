"""Synthetic documents in the shape of Amazon-670K: power laws, subjects, and labels that occur together."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

DATA = Path(tempfile.gettempdir()) / "hgraph-xml-shapes"
"""Where the synthetic data are kept."""

LABELS, DOCUMENTS, FEATURES = 670_091, 490_449, 135_909
FEATURES_OF_DOCUMENT, LABELS_OF_DOCUMENT, LABELS_OF_SUBJECT = 80, 6.5, 200  # 75 and 5.5 without repetitions


def make(scale: float, seed: int = 0) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """TF-IDF `[N, D]` with rows of length 1, and labels `[N, L]`; labels and documents times `scale`."""
    random = np.random.default_rng(seed)
    documents, labels = round(DOCUMENTS * scale), round(LABELS * scale)
    subject = np.sort(random.integers(0, max(labels // LABELS_OF_SUBJECT, 1), labels))
    first = random.permutation(labels)[_power_law(random, labels, 0.6, documents)]
    count = 1 + random.poisson(LABELS_OF_DOCUMENT - 1, documents)
    row = np.repeat(np.arange(documents), count)
    near = np.rint(random.standard_cauchy(len(row)) * 3).astype(
        np.int64
    )  # labels that occur together have near numbers
    near[np.append(0, np.cumsum(count)[:-1])] = 0
    column = np.clip(first[row] + near, 0, labels - 1)
    present = sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(documents, labels))
    present.data[:] = 1

    row = np.repeat(np.arange(documents), np.maximum(random.poisson(FEATURES_OF_DOCUMENT, documents), 1))
    word = _power_law(random, FEATURES, 1.0, len(row))
    kind = random.random(len(row))
    of_subject = (word * 2_654_435_761 + subject[first[row]] * 40_503) % FEATURES
    of_label = (word * 97 + first[row] * 7_919) % FEATURES
    word = np.where(kind < 0.4, word, np.where(kind < 0.75, of_subject, of_label))
    counts = sp.csr_matrix((np.ones(len(row), np.float32), (row, word)), shape=(documents, FEATURES))
    frequency = np.bincount(counts.indices, minlength=FEATURES)
    counts.data = ((1 + np.log(counts.data)) * np.log(1 + documents / (1 + frequency))[counts.indices]).astype(
        np.float32
    )
    lengths = np.sqrt(np.add.reduceat(counts.data**2, counts.indptr[:-1]))
    counts.data /= np.repeat(lengths, np.diff(counts.indptr)).astype(np.float32)
    return counts, present


def _power_law(random: np.random.Generator, size: int, exponent: float, count: int) -> np.ndarray:
    share = np.cumsum((1 + np.arange(size)) ** -exponent)
    return np.minimum(np.searchsorted(share, random.random(count) * share[-1]), size - 1)


def files(folder: Path, scale: float) -> tuple[Path, Path]:
    """Files of features and labels, written on first use."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"features-{scale:g}.npz", folder / f"labels-{scale:g}.npz"
    if not all(path.exists() for path in paths):
        for path, matrix in zip(paths, make(scale), strict=True):
            sp.save_npz(path, matrix, compressed=False)
    return paths


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=0.05)
    parser.add_argument("--folder", type=Path, default=DATA)
    options = parser.parse_args()
    for path in files(options.folder, options.scale):
        matrix = sp.load_npz(path)
        print(f"{path}: {matrix.shape}, {matrix.nnz / matrix.shape[0]:.1f} entries a row")
