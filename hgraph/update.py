"""A trained model on a newer version of its hierarchy: kept labels keep their weights, new ones get theirs made.

What a new label is made of depends on the model:

| the model scores by | weights of a new label |
|---|---|
| label vectors (dot, cosine) | the label encoder's vector for its name and its place |
| one weight vector a label beside a label encoder (additive, linear) | ridge regression from label vectors to weights, fitted on the kept labels |
| the steps of its level (HBGL) | the sum of the word embeddings of its name, and the mean bias |
| a search down its hierarchy (CascadeXML) | none: a newer hierarchy is refused |
| n-grams (lexical) | its name and description and the weights of its parents, mixed as fits the kept labels best |
| one weight vector a label alone | none: the label is never predicted, and the report says so |
"""  # noqa: E501

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor, nn

from hgraph.data.label_documents import label_texts
from hgraph.decoding import PlattScaling, Thresholds
from hgraph.errors import ConfigError
from hgraph.graph import LabelGraph
from hgraph.hub import PRUNE_BELOW, SavedModel, load_model, load_training_state, load_tree, save_model
from hgraph.models import AlignmentModel, ConditionalLink, FrozenCascade, RankedModel
from hgraph.nn import LabelStructure, PairEncoding
from hgraph.recipes.builders import build_model
from hgraph.retrieval import NeighbourScorer
from hgraph.scoring import LexicalScorer, label_buffers, label_parameters, log_odds

logger = logging.getLogger(__name__)

RIDGE_ALPHAS = np.logspace(-3, 4, 15)
FIT_LABELS = 500
EXAMPLES = 5


@dataclass(frozen=True)
class TaxonomyUpdate:
    """What a newer hierarchy changed for a model.

    Attributes:
        kept: Ids that the model knew and the newer hierarchy has.
        added: Ids the model did not know.
        removed: Ids that are gone; they are predicted no more.
        unscored: Those of `added` for which the model has nothing to make weights of; they are never predicted.
    """

    kept: list[str]
    added: list[str]
    removed: list[str]
    unscored: list[str]

    def lines(self) -> list[str]:
        """The report, one line a fact."""
        out = [f"{len(self.kept):,} labels kept, {_few('gone', self.removed)}, {_few('new', self.added)}"]
        if self.unscored:
            out.append(
                f"{_few('cannot be predicted', self.unscored)}: this model has neither a label encoder nor lexical "
                "weights, so a label needs training documents. Train anew to predict them."
            )
        return out

    def __str__(self) -> str:
        return "\n".join(self.lines())


def load_with_taxonomy(folder: str | Path, graph: LabelGraph) -> tuple[SavedModel, TaxonomyUpdate]:
    """A model folder on a newer hierarchy; labels are matched by id.

    Args:
        folder: What `hgraph train` wrote.
        graph: The newer hierarchy. Moved and renamed labels count as kept: the label encoder reads their new names and
            places.

    Raises:
        ConfigError: `folder` is no model folder, or the hierarchies have no label in common.
    """
    saved, graph = load_model(folder), _living(graph)
    model, update = _updated(Path(folder), saved, graph)
    frozen = model.freeze()
    frozen.calibration.copy_(saved.model.calibration)
    thresholds = _thresholds(saved, graph)
    config = {**saved.config, "taxonomy": _taxonomy(graph)}
    frozen.eval().requires_grad_(False)
    return replace(saved, model=frozen, graph=graph, thresholds=thresholds, config=config), update


def update_model(folder: str | Path, graph: LabelGraph, output: str | Path) -> TaxonomyUpdate:
    """Write the model of `folder` on a newer hierarchy to a new model folder; arguments as `load_with_taxonomy`.

    Raises:
        ConfigError: `output` exists and is not empty, or one of the errors of :func:`load_with_taxonomy`.
    """
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError(f"{output}: exists and is not an empty folder. Choose another name.")
    saved, graph = load_model(folder), _living(graph)
    model, update = _updated(Path(folder), saved, graph)
    scale, shift = saved.model.calibration.tolist()
    output.mkdir(parents=True, exist_ok=True)
    save_model(
        output,
        model,
        graph=graph,
        thresholds=_thresholds(saved, graph),
        calibration=PlattScaling(scale, shift),
        recipe=saved.recipe,
        metrics={**saved.metrics, "updated": {"from": saved.config["taxonomy"], "to": _taxonomy(graph)}},
        text_fields=saved.config["text_fields"],
    )
    return update


def load_alignment_model(folder: str | Path) -> tuple[AlignmentModel, SavedModel]:
    """The model of a folder as it was trained, label encoder included, in evaluation mode, and the rest of the folder.

    Raises:
        ConfigError: `folder` is no model folder, or it is damaged.
    """
    saved = load_model(folder)
    return _as_trained(Path(folder), saved), saved


def _as_trained(folder: Path, saved: SavedModel) -> AlignmentModel:
    model = build_model(saved.recipe, saved.graph, saved.model.text_encoder, tree=load_tree(folder))
    model.load_state_dict(load_training_state(folder))
    return model.eval()


def _living(graph: LabelGraph) -> LabelGraph:
    """The hierarchy without the tombstones of `LabelGraph.align`: these labels are gone."""
    return graph.compact() if "tombstone" in graph else graph


def _updated(folder: Path, saved: SavedModel, graph: LabelGraph) -> tuple[AlignmentModel, TaxonomyUpdate]:
    old = saved.graph
    known = old.id_to_index
    source = np.array([known.get(label, -1) for label in graph.label_id])
    if (source < 0).all():
        raise ConfigError(
            f"{folder}: the newer taxonomy has none of the model's {old.num_labels} labels ({old.label_id[0]!r}, ...). "
            "Ids are compared, not names."
        )
    if isinstance(saved.model, FrozenCascade | RankedModel):
        system = saved.recipe.model.name if saved.recipe.model is not None else "ranker"
        raise ConfigError(
            f"{folder}: a model that searches its hierarchy ('{system}') cannot take another one. Train it anew on the "
            "newer taxonomy."
        )
    trained = _as_trained(folder, saved)
    state = trained.state_dict()
    model = build_model(saved.recipe, graph, saved.model.text_encoder)
    model.eval()
    rows = torch.from_numpy(source)
    per_label = set(label_parameters(model))
    inputs = set(label_parameters(model, "label_inputs"))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            before = state.get(name)
            # Edges from further parents have vectors in their order; where the edges changed, they are drawn anew.
            if name in per_label or name.startswith("lexical_scorer.") or before is None:
                continue
            if before.shape == parameter.shape:
                parameter.copy_(before)
        for name in per_label:
            _carry(model.get_parameter(name), state[name], rows)
            if name in inputs:
                model.get_parameter(name)[rows < 0] = 0.0
        for name in label_buffers(trained):
            before, kept = trained.get_buffer(name), rows >= 0
            after = model.get_buffer(name)
            after.zero_()
            after[kept] = before[rows[kept]].to(after)
        _carry_edges(model, trained, graph, old)
        added = np.flatnonzero(source < 0)
        model.begin_labels(torch.from_numpy(added))
        scored = _score_new_labels(model, trained, graph, rows) if len(added) else True
        if isinstance(model.link, ConditionalLink) and not scored and model.lexical_scorer is None:
            model.link.unscored |= rows < 0
        if model.lexical_scorer is not None and trained.lexical_scorer is not None:
            _carry_lexical(model, trained.lexical_scorer, graph, rows)
        if model.neighbour_scorer is not None and trained.neighbour_scorer is not None:
            model.neighbour_scorer.memory = trained.neighbour_scorer.memory
            model.neighbour_scorer.relabel(_carry_memory(trained.neighbour_scorer, graph, old))
        model.fusion.copy_(trained.fusion)
    gone = set(old.label_id) - set(graph.label_id)
    new = [graph.label_id[index] for index in added]
    update = TaxonomyUpdate(
        kept=[label for label in graph.label_id if label in known],
        added=new,
        removed=[label for label in old.label_id if label in gone],
        unscored=[] if scored or model.lexical_scorer is not None else new,
    )
    return model, update


def _carry(target: Tensor, source: Tensor, rows: Tensor) -> None:
    """Rows of kept labels; a new label starts at the mean of the kept ones, so its name and its place decide."""
    kept = rows >= 0
    if len(target) != len(rows):  # one number for all labels
        target.copy_(source)
        return
    carried = source[rows[kept]].to(target)
    if source.dim() == 3 and source.shape[1] == len(source):  # a column a label too: new ones count for nothing yet
        columns = carried
        carried = target.new_zeros(len(columns), *target.shape[1:])
        carried[:, kept] = columns[:, rows[kept]]
    target[kept] = carried
    target[~kept] = carried.mean(0)


def _carry_edges(model: nn.Module, trained: nn.Module, graph: LabelGraph, old: LabelGraph) -> None:
    """Vectors of edges, by the ids of both ends; an edge that is new starts at the mean of all."""
    before = {pair: number for number, pair in enumerate(_edge_names(old))}
    rows = torch.tensor([before.get(pair, -1) for pair in _edge_names(graph)])
    encodings = dict(trained.named_modules())
    for name, module in model.named_modules():
        known = encodings.get(name)
        if not isinstance(module, PairEncoding) or not isinstance(known, PairEncoding):
            continue
        vectors, source = module.edge_embedding, known.edge_vectors()
        if vectors is None or source is None:
            continue
        carried = torch.where((rows >= 0).unsqueeze(1), source[rows], source.mean(0))
        vectors.weight.copy_(carried[: graph.num_labels])
        if module.extra_edge_embedding is not None:
            module.extra_edge_embedding.copy_(carried[graph.num_labels :])


def _edge_names(graph: LabelGraph) -> list[tuple[str, str]]:
    """Both ends of the edges in the order of their vectors; roots hang from nothing."""
    structure, ids = LabelStructure.of(graph), [*graph.label_id, ""]
    names = [(ids[parent], label) for parent, label in zip(structure.parent.tolist(), graph.label_id, strict=False)]
    further = (structure.edge_number >= graph.num_labels).nonzero().squeeze(1)
    return names + [(ids[parent], ids[child]) for parent, child in structure.edge_index[:, further].t().tolist()]


def _score_new_labels(model: AlignmentModel, trained: AlignmentModel, graph: LabelGraph, rows: Tensor) -> bool:
    """Weight and bias of new labels from their vectors; False where there are no vectors."""
    if model.scorer is None:
        return False
    new, kept = rows < 0, rows >= 0
    vectors, before = model.label_vectors(), trained.label_vectors()
    known = dict(model.scorer.named_parameters())
    products = [(known[name], known[bias]) for name, bias in model.scorer.label_products if name in known]
    if not products:
        return True  # the scorer reads label vectors
    if vectors is None or before is None:
        # Beside a lexical scorer the n-grams decide, from the base rate of the neighbourhood.
        floor = log_odds(torch.zeros(()))
        for weight, bias in products:
            weight[new] = 0.0
            for label in new.nonzero().flatten().tolist():
                bias[label] = floor if model.lexical_scorer is None else bias[_relatives(graph, label, kept)].mean()
        return False
    for weight, bias in products:
        targets = torch.cat([weight[kept].flatten(1), bias[kept, None]], dim=1)
        fit = RidgeCV(alphas=RIDGE_ALPHAS).fit(before[rows[kept]].numpy(), targets.numpy())
        made = torch.from_numpy(np.atleast_2d(fit.predict(vectors[new].numpy()))).to(weight)
        weight[new], bias[new] = made[:, :-1].view_as(weight[new]), made[:, -1]
    return True


def _carry_lexical(model: AlignmentModel, trained: LexicalScorer, graph: LabelGraph, rows: Tensor) -> None:
    """Lexical weights: kept labels keep theirs, a new one starts from its text and the weights above it."""
    lexical = model.lexical_scorer
    assert lexical is not None
    kept, source = rows >= 0, rows[rows >= 0]
    lexical.weight.zero_()
    lexical.weight[:, kept] = trained.weight[:, source]
    lexical.bias[kept] = trained.bias[source]
    if kept.all():
        return
    texts = model.text_encoder.prepare(label_texts(graph, "name+description"))
    own, above = _fit_lexical(lexical, graph, kept, texts)
    # From the top down: the parents of a new label may be new.
    for label in graph.topological_order[~kept.numpy()[graph.topological_order]].tolist():
        columns, values = _sparse_row(texts, label)
        parents = graph.parents[[label]].indices
        if len(parents):
            lexical.weight[:, label] = above * lexical.weight[:, parents].mean(1)
        lexical.weight[columns, label] += own * values
        # As it will be read back from a model folder.
        stored = lexical.weight[:, label].half().float()
        lexical.weight[:, label] = torch.where(stored.abs() < PRUNE_BELOW, 0.0, stored)
        lexical.bias[label] = lexical.bias[_relatives(graph, label, kept)].mean()


def _carry_memory(trained: NeighbourScorer, graph: LabelGraph, old: LabelGraph) -> sp.csr_matrix:
    """Labels of the remembered documents on the newer hierarchy, closed upward; labels that are gone are left out."""
    place = np.array([graph.id_to_index.get(label, -1) for label in old.label_id])
    offsets, labels = trained.label_offsets.cpu().numpy(), place[trained.label_indices.cpu().numpy()]
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[labels >= 0]
    cells = (np.ones(len(rows), dtype=np.float32), (rows, labels[labels >= 0]))
    return sp.csr_matrix(graph.expand(sp.csr_matrix(cells, shape=(len(offsets) - 1, graph.num_labels))))


def _fit_lexical(lexical: LexicalScorer, graph: LabelGraph, kept: Tensor, texts: Sequence[Any]) -> tuple[float, float]:
    """The mixture of a label's own text and its parents' weights that comes closest to the weights of kept labels.

    Least squares in two coefficients, on at most `FIT_LABELS` labels that have a kept parent.
    """
    known = kept.numpy()
    fitted = np.flatnonzero(known & (np.asarray(graph.parents @ known.astype(np.int64)) > 0))
    products, target = np.zeros((2, 2)), np.zeros(2)
    for label in fitted[:: max(1, len(fitted) // FIT_LABELS)].tolist():
        parents = graph.parents[[label]].indices
        parents = parents[known[parents]]
        columns, values = _sparse_row(texts, label)
        inherited, weight = lexical.weight[:, parents].mean(1), lexical.weight[:, label]
        across = float(inherited[columns] @ values)
        products += [[float(values @ values), across], [across, float(inherited @ inherited)]]
        target += [float(weight[columns] @ values), float(weight @ inherited)]
    own, share = np.linalg.lstsq(products, target, rcond=None)[0]
    return float(own), float(share)


def _sparse_row(texts: Sequence[Any], label: int) -> tuple[Tensor, Tensor]:
    """Features of one label's text: columns and values."""
    # Where a deep encoder stands beside the bag, an item is a pair of both encoders' items.
    columns, values = texts[label][0] if isinstance(texts[label][0], tuple) else texts[label]
    return torch.as_tensor(columns).long(), torch.as_tensor(values)


def _relatives(graph: LabelGraph, label: int, kept: Tensor) -> np.ndarray:
    """Kept siblings of a label, else its kept parents, else all kept labels."""
    parents = graph.parents[[label]].indices
    siblings = np.unique(graph.children[parents].indices) if len(parents) else np.empty(0, dtype=np.int64)
    for group in (siblings, parents):
        found = group[kept.numpy()[group]] if len(group) else group
        if len(found):
            return found
    return np.flatnonzero(kept.numpy())


def _thresholds(saved: SavedModel, graph: LabelGraph) -> Thresholds:
    """Thresholds of kept labels; new ones get the one that labels without documents had."""
    known, per_label = saved.graph.id_to_index, saved.thresholds.per_label
    if per_label is None:
        return saved.thresholds
    values = [per_label[known[label]] if label in known else saved.thresholds.value for label in graph.label_id]
    return Thresholds.from_arrays(np.array(values), fallback=saved.thresholds.value)


def _taxonomy(graph: LabelGraph) -> dict[str, object]:
    return {"name": graph.title, "fingerprint": graph.fingerprint, "labels": graph.num_labels}


def _few(what: str, labels: list[str]) -> str:
    shown = ", ".join(labels[:EXAMPLES]) + (", ..." if len(labels) > EXAMPLES else "")
    return f"{len(labels):,} {what}" + (f" ({shown})" if labels else "")
