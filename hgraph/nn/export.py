"""Label encoders as ONNX files."""

import copy
import logging
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.nn.encodings import PairRows
from hgraph.nn.label_encoders.cached_label_encoder import CachedLabelEncoder
from hgraph.nn.label_encoders.pair_encoding import PairEncoding

logger = logging.getLogger(__name__)

MAX_BYTES = 2**31 - 2**20
"""What the numbers of a model may take in one ONNX file; the rest of it needs a little room."""


def export_onnx(
    encoder: nn.Module, features: Tensor | None, path: str | os.PathLike[str], *, tolerance: float = 1e-4
) -> None:
    """Write a label encoder to an ONNX file, and check that the file computes the same.

    The encoder is written in evaluation mode, for its own hierarchy. The file has one input, ``features``, unless the
    encoder needs none, and one output, ``vectors``. It is written under a temporary name and appears at `path` only
    after the check: both sides compute the vectors of `features`, the file by onnxruntime. Where that is not installed,
    a warning is logged in place of the check.

    States of pairs that do not depend on features are constants in the file where labels have several parents: the
    search for their paths has no ONNX form. Of a :class:`~hgraph.nn.CachedLabelEncoder`, the encoder inside is written.

    Needs ``pip install "hgraph-text[onnx]"``.

    Args:
        encoder: the label encoder, or any module from one tensor to one tensor.
        features: what it is called with; ``None`` for an encoder without features.
        path: the file to write.
        tolerance: how far any number may differ (default 1e-4).

    Shapes:
        - features ``[L, in_channels]``, vectors ``[L, channels]``

    Raises:
        ConfigError: a package or the folder is missing, the encoder has no ONNX form or is too large for one file, or
            the vectors differ.
    """
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ConfigError(f'export_onnx needs {" and ".join(missing)}: pip install "hgraph-text[onnx]".')
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise ConfigError(f"'path' must be a file in a folder that exists, but got {str(path)!r}.")
    inputs = () if features is None else (features.detach(),)
    with torch.no_grad():
        frozen = _frozen(encoder)
        expected = frozen(*inputs)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".onnx-") as folder:
            draft = Path(folder) / path.name
            _write(frozen, inputs, draft)
            _check(draft, inputs, expected, tolerance)
            os.replace(draft, path)


def _frozen(encoder: nn.Module) -> nn.Module:
    """A copy in evaluation mode, of operations that have an ONNX form."""
    encoder = copy.deepcopy(encoder.encoder if isinstance(encoder, CachedLabelEncoder) else encoder).eval()
    for name, module in list(encoder.named_modules()):
        if isinstance(module, PairEncoding) and not module.is_tree:
            parent, _, attribute = name.rpartition(".")
            setattr(encoder.get_submodule(parent), attribute, _Constant(module()))
    return encoder


class _Constant(nn.Module):
    """A module that always gives the same."""

    value: Tensor

    def __init__(self, value: Tensor | PairRows) -> None:
        super().__init__()
        self.register_buffer("value", value.dense() if isinstance(value, PairRows) else value)

    def forward(self) -> Tensor:
        return self.value


def _write(encoder: nn.Module, inputs: tuple[Tensor, ...], draft: Path) -> None:
    """The file, unchecked."""
    tensors = {id(tensor): tensor.nbytes for tensor in (*encoder.parameters(), *encoder.buffers())}
    if sum(tensors.values()) > MAX_BYTES:
        size = sum(tensors.values()) / 2**30
        raise ConfigError(f"'encoder' must have less than 2 GiB for one ONNX file, but got {size:.1f} GiB.")
    try:
        torch.onnx.export(
            encoder,
            inputs,
            draft,
            input_names=["features"][: len(inputs)],
            output_names=["vectors"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        raise ConfigError(f"'encoder' must have an ONNX form, but {type(encoder).__name__} has none.") from error


def _check(draft: Path, inputs: tuple[Tensor, ...], expected: Tensor, tolerance: float) -> None:
    """Raise an error where the file computes something else than the encoder."""
    if find_spec("onnxruntime") is None:
        logger.warning("onnxruntime is not installed: the ONNX file is not checked against the encoder.")
        return
    import onnxruntime  # optional, and slow to import

    session = onnxruntime.InferenceSession(str(draft), providers=["CPUExecutionProvider"])
    given = {place.name: tensor.cpu().numpy() for place, tensor in zip(session.get_inputs(), inputs, strict=True)}
    actual = torch.from_numpy(session.run(None, given)[0])
    gap = (actual.double() - expected.cpu().double()).abs().max().item() if expected.numel() else 0.0
    if not gap <= tolerance:  # NaN is no agreement
        raise ConfigError(
            f"The vectors of the ONNX file must be within tolerance={tolerance} of the encoder's, but differ by "
            f"{gap:.3g}. Nothing was written; raise 'tolerance' if that is good enough."
        )
