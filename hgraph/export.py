"""A trained model as one ONNX file, with its labels and its tokenizer beside it."""

import contextlib
import copy
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import SavedModel, load_model, write_json
from hgraph.models import FrozenModel
from hgraph.models.frozen_model import PARTS, scorer_input
from hgraph.models.links import ConditionalLink
from hgraph.text import TransformerTextEncoder

logger = logging.getLogger(__name__)

Output = Literal["probabilities", "log_odds"]
INPUTS = ("input_ids", "attention_mask")
LABELS, TOKENIZER = "labels.json", "tokenizer"
MAX_BYTES = 2**31 - 2**20
"""What the numbers of a model may take in one ONNX file; the rest of it needs a little room."""
ONE_BLOCK = 2**62
"""A memory budget that leaves all pairs in one block: a file has no loop over blocks."""


@dataclass(frozen=True)
class Exported:
    """What :func:`export_model` wrote.

    Attributes:
        files: The ONNX file, the list of labels and the folder of the tokenizer.
        difference: Largest difference to the model over the probes, None where onnxruntime is not installed.
    """

    files: tuple[Path, ...]
    difference: float | None


class OnnxModel(nn.Module):
    """The arithmetic of a frozen model between token ids and labels.

    Args:
        model: A frozen model of a transformer and a scorer.
        output: `"probabilities"` or `"log_odds"`, both calibrated.

    Shapes:
        - input_ids and attention_mask ``[B, T]`` (long)
        - output ``[B, L]``
    """

    def __init__(self, model: FrozenModel, output: Output = "probabilities") -> None:
        super().__init__()
        assert isinstance(model.text_encoder, TransformerTextEncoder)
        self.text_encoder: TransformerTextEncoder = model.text_encoder
        self.scorer, self.link = model.scorer, model.link
        self.output = output
        self.scale: float = model.fusion[PARTS.index("dense")].item()
        self.calibration: list[float] = model.calibration.tolist()

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Scores of all labels."""
        states = self.text_encoder(input_ids=input_ids, attention_mask=attention_mask)
        assert self.scorer is not None
        text, mask = scorer_input(self.scorer, states)
        scores = self.scorer(text, None, None, mask=mask) * self.scale
        if self.link is not None:
            scores = self.link(scores)
        scores = scores * self.calibration[0] + self.calibration[1]
        return scores.sigmoid() if self.output == "probabilities" else scores


class AncestorLink(nn.Module):
    """:class:`~hgraph.models.links.ConditionalLink` of kind `"sigmoid"` without the search for ancestors.

    Args:
        link: The link.

    Shapes:
        - scores and output ``[B, L]``
    """

    label: Tensor
    above: Tensor

    def __init__(self, link: ConditionalLink) -> None:
        super().__init__()
        relation = link.probabilities.ancestors
        self.register_buffer("label", relation.labels.clone())
        self.register_buffer("above", relation.others.clone())

    def forward(self, scores: Tensor) -> Tensor:
        """Log-odds of labels from those of labels given their parents."""
        own = nn.functional.logsigmoid(scores)
        log = own.index_add(1, self.label, own[:, self.above]).clamp(max=-1e-7)
        return log - torch.log(-torch.expm1(log))


def export_model(
    run: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    output: Output = "probabilities",
    tolerance: float = 1e-4,
    overwrite: bool = False,
) -> Exported:
    """Write the model of a folder to an ONNX file, and check that the file computes the same.

    The file has the inputs ``input_ids`` and ``attention_mask`` and the output ``probabilities`` or ``log_odds``, with
    any number of documents and tokens. ``labels.json`` beside it lists the labels in the order of the columns: id,
    name, parents and threshold. ``tokenizer/`` is read by ``AutoTokenizer.from_pretrained``. All appears after the
    check, or nothing. A label is predicted where its probability is at least its threshold, and so are its ancestors.

    Needs ``pip install "hgraph-text[onnx]"``; without onnxruntime a warning is logged in place of the check.

    Args:
        run: What `hgraph train` wrote.
        path: The file to write.
        output: What the file gives.
        tolerance: How far a probability may differ, and a log-odds x by ``tolerance (1 + |x|)``.
        overwrite: Replace files that exist.

    Raises:
        ConfigError: A package is missing, a file exists, the model has no ONNX form or is too large for one file, or
            the file computes something else.
    """
    path = Path(path)
    targets = (path, path.parent / LABELS, path.parent / TOKENIZER)
    _check_targets(targets, overwrite=overwrite)
    if output not in get_args(Output):
        raise ConfigError(f"'output' must be one of {', '.join(get_args(Output))}, but got {output!r}.")
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ConfigError(f'exporting a model needs {" and ".join(missing)}: pip install "hgraph-text[onnx]".')
    saved = load_model(Path(run))
    model = onnx_form(saved.model, output=output, where=str(run))
    with torch.no_grad(), tempfile.TemporaryDirectory(dir=path.parent, prefix=".onnx-") as folder:
        drafts = tuple(Path(folder) / target.name for target in targets)
        batches = probes(model, saved.graph)
        _write(model, batches[0], drafts[0], where=str(run))
        gap = _difference(model, batches, drafts[0], tolerance)
        write_json(drafts[1], describe_labels(saved, output))
        model.text_encoder.tokenizer.save_pretrained(drafts[2])
        for draft, target in zip(drafts, targets, strict=True):
            if target.is_dir():
                shutil.rmtree(target)
            os.replace(draft, target)
    return Exported(targets, gap)


def onnx_form(model: nn.Module, *, output: Output = "probabilities", where: str = "model") -> OnnxModel:
    """A copy of a frozen model that can be written as ONNX.

    Raises:
        ConfigError: It has parts that no ONNX file holds.
    """
    only = "Only a text encoder 'transformer' with a scorer can be exported."
    if type(model) is not FrozenModel:
        raise ConfigError(f"{where}: {type(model).__name__} decodes level by level, which has no ONNX form. {only}")
    extra = {"n-grams ('lexical')": model.lexical_scorer, "votes of documents ('neighbours')": model.neighbour_scorer}
    found = [name for name, part in extra.items() if part is not None]
    if found or model.scorer is None:
        raise ConfigError(f"{where}: the model scores by {found[0] if found else 'nothing'}, without ONNX form. {only}")
    if type(model.text_encoder) is not TransformerTextEncoder:
        kind = type(model.text_encoder).__name__
        raise ConfigError(f"{where}: the texts are read by {kind}, which has no ONNX form. {only}")
    form = OnnxModel(copy.deepcopy(model), output).cpu().eval()
    form.text_encoder.model.set_attn_implementation("eager")
    if isinstance(form.link, ConditionalLink) and form.link.probabilities.kind == "sigmoid":
        form.link = AncestorLink(form.link)
    for module in form.modules():
        if hasattr(module, "memory_budget"):
            module.memory_budget = ONE_BLOCK  # type: ignore[assignment]
    return form


def probes(model: OnnxModel, graph: LabelGraph) -> list[dict[str, Tensor]]:
    """Batches of several shapes: names of labels, random tokens as long as a text may be, a single token."""
    encoder = model.text_encoder
    names = [name if name.strip() else label for name, label in zip(graph.name[:8], graph.label_id, strict=False)]
    named = encoder.collate(encoder.prepare([" ".join(names), *names]))
    draw = torch.Generator().manual_seed(0)
    longest = min(encoder.max_length, 512)
    ids = torch.randint(encoder.model.config.vocab_size, (3, longest), generator=draw)
    mask = (torch.arange(longest) < torch.tensor([[longest], [longest // 2], [1]])).long()
    single = {"input_ids": ids[:1, :1], "attention_mask": mask[:1, :1]}
    return [{"input_ids": ids * mask, "attention_mask": mask}, named, single]


def describe_labels(saved: SavedModel, output: Output) -> dict[str, Any]:
    """What `labels.json` holds: how to read the columns of the output."""
    graph, encoder = saved.graph, saved.model.text_encoder
    parents: list[list[str]] = [[] for _ in graph.label_id]
    for parent, child in graph.edge_index.t().tolist():
        parents[child].append(graph.label_id[parent])
    thresholds = saved.thresholds.vector(graph.num_labels).tolist()
    rows = zip(graph.label_id, graph.name, parents, thresholds, strict=True)
    return {
        "format": "hgraph-onnx",
        "taxonomy": graph.title,
        "output": output,
        "max_length": encoder.max_length,
        "labels": [
            {"id": label, "name": name, "parents": above, "threshold": threshold}
            for label, name, above, threshold in rows
        ],
    }


def _check_targets(targets: tuple[Path, ...], *, overwrite: bool) -> None:
    if targets[0].is_dir() or not targets[0].parent.is_dir():
        raise ConfigError(f"'path' must be a file in a folder that exists, but got '{targets[0]}'.")
    taken = [target for target in targets if target.exists()]
    if taken and not overwrite:
        raise ConfigError(f"{taken[0]}: exists. Choose another folder, or replace it with --overwrite.")


def _write(model: OnnxModel, probe: Mapping[str, Tensor], draft: Path, *, where: str) -> None:
    """The file, unchecked."""
    size = sum({id(tensor): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}.values())
    if size > MAX_BYTES:
        raise ConfigError(f"{where}: {size / 2**30:.1f} GiB are too much for one ONNX file, which holds 2 GiB.")
    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with _quiet():
            torch.onnx.export(
                model,
                tuple(probe[name] for name in INPUTS),
                draft,
                input_names=list(INPUTS),
                output_names=[model.output],
                dynamic_shapes=(free, free),
                dynamo=True,
                external_data=False,
                optimize=False,  # its constant folding fails on some attention layers, and the runtime folds anyway
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        parts = [
            type(part).__name__ for part in (model.text_encoder.model, model.scorer, model.link) if part is not None
        ]
        raise ConfigError(f"{where}: {' with '.join(parts)} has no ONNX form.") from error


def _difference(model: OnnxModel, batches: list[dict[str, Tensor]], draft: Path, tolerance: float) -> float | None:
    """How far the file is from the model at most, over all batches.

    Raises:
        ConfigError: Further than `tolerance`.
    """
    if find_spec("onnxruntime") is None:
        logger.warning("onnxruntime is not installed: the ONNX file is not checked against the model.")
        return None
    import onnxruntime  # optional, and slow to import

    session = onnxruntime.InferenceSession(str(draft), providers=["CPUExecutionProvider"])
    gap = 0.0
    for batch in batches:
        expected = model(**batch).double()
        actual = torch.from_numpy(session.run(None, {name: batch[name].numpy() for name in INPUTS})[0]).double()
        distance = (actual - expected).abs()
        if model.output == "log_odds":
            distance = distance / (1 + expected.abs())
        gap = max(gap, distance.max().item()) if not distance.isnan().any() else float("nan")
        if not gap <= tolerance:
            raise ConfigError(
                f"the ONNX file must be within tolerance={tolerance} of the model, but differs by {gap:.3g}. Nothing "
                "was written; raise the tolerance if that is good enough."
            )
    return gap


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's own remarks, which are about its internals."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
