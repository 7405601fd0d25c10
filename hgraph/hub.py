"""Model folders: what training writes and prediction reads. Weights are safetensors, the rest is JSON and YAML.

| file | what |
|---|---|
| `config.json` | format, versions, taxonomy name and fingerprint; written last, so a folder that has it is whole |
| `model.safetensors` | text encoder and scorer with the label vectors folded in |
| `training.safetensors` | label encoder and scorer as trained; prediction does not read it |
| `taxonomy.json` | the label hierarchy |
| `ranker/` | the classifiers of a ranker, memory-mapped |
| `label_tree.json` | the hierarchy that the model searches, where that is another one |
| `thresholds.json` | where probabilities become labels |
| `recipe.yaml` | how the model was built and trained |
| `metrics.json` | figures on the validation documents and how long training took |
| `text_encoder/` | tokenizer or vocabulary and configuration |
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hgraph.decoding import PlattScaling, Thresholds
from hgraph.errors import ConfigError, HGraphError
from hgraph.graph import LabelGraph
from hgraph.models import AlignmentModel, CascadeModel, FrozenCascade, FrozenHBGL, FrozenModel, RankedModel
from hgraph.recipes.builders import build_link
from hgraph.recipes.ranker_options import RankerOptions
from hgraph.recipes.recipe import Recipe
from hgraph.retrieval import NeighbourScorer
from hgraph.scoring import FrozenCascadeScorer, FrozenLevelScorer, LexicalScorer
from hgraph.scoring import restore as restore_scorer
from hgraph.text import TextEncoder, restore_text_encoder
from hgraph.version import __version__

FORMAT = "hgraph-model"
VERSION = 2
LEXICAL_WEIGHT = "lexical_scorer.weight"
MEMORY = "neighbour_scorer.memory"
ASSETS = "text_encoder"
TREE = "label_tree.json"
RANKER = "ranker"
DAMAGE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError, HGraphError
)  # fmt: skip
"""What the readers of files that were cut short or edited raise."""


@dataclass(frozen=True)
class SavedModel:
    """What a model folder holds."""

    model: FrozenModel | RankedModel
    graph: LabelGraph
    thresholds: Thresholds
    recipe: Recipe
    config: dict[str, Any]
    metrics: dict[str, Any]

    @property
    def reads_fields(self) -> bool:
        """Whether the model keeps the fields of a text apart."""
        return self.recipe.reads_fields


def save_model(
    folder: Path,
    model: AlignmentModel | RankedModel,
    *,
    graph: LabelGraph,
    thresholds: Thresholds,
    calibration: PlattScaling,
    recipe: Recipe,
    metrics: dict[str, Any],
    text_fields: list[str],
) -> None:
    """Write a model folder. Everything is written beside it first and moved into place at the end.

    Raises:
        ConfigError: The folder cannot be written.
    """
    staging = folder / ".saving"
    try:
        shutil.rmtree(staging, ignore_errors=True)
        (staging / ASSETS).mkdir(parents=True)
        frozen = model.freeze()
        frozen.calibration.copy_(torch.tensor([calibration.scale, calibration.shift]))
        model.text_encoder.save_assets(staging / ASSETS)
        save_file(compress(_tensors(frozen.state_dict())), staging / "model.safetensors", metadata={"format": "pt"})
        own = {key: value for key, value in model.state_dict().items() if not _is_shared(key)}
        save_file(_tensors(own), staging / "training.safetensors", metadata={"format": "pt"})
        graph.save(staging / "taxonomy.json")
        if isinstance(frozen, RankedModel) and frozen.ranker is not None:
            frozen.ranker.save(staging / RANKER)
        if isinstance(model, CascadeModel) and model.tree is not graph:
            model.tree.save(staging / TREE)
        write_json(staging / "thresholds.json", thresholds.to_dict())
        write_json(staging / "metrics.json", metrics)
        (staging / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        config = {
            "format": FORMAT,
            "version": VERSION,
            "hgraph": __version__,
            "taxonomy": {"name": graph.title, "fingerprint": graph.fingerprint, "labels": graph.num_labels},
            "scorer": _describe(frozen.scorer),
            "text_fields": text_fields,
        }
        write_json(staging / "config.json", config)
        for path in sorted(staging.iterdir(), key=lambda path: path.name == "config.json"):
            target = folder / path.name
            if target.is_dir():
                shutil.rmtree(target)
            path.replace(target)
        staging.rmdir()
    except OSError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise ConfigError(f"{folder}: the model cannot be written: {error.strerror or error}.") from None
    except SafetensorError as error:
        shutil.rmtree(staging, ignore_errors=True)
        raise ConfigError(f"{folder}: the model cannot be written: {error}.") from None


def load_model(folder: str | Path) -> SavedModel:
    """Read a model folder.

    Raises:
        ConfigError: It is none, is incomplete, or comes from a later version.
    """
    folder = Path(folder)
    config = read_config(folder)
    try:
        recipe = Recipe.parse((folder / "recipe.yaml").read_text(encoding="utf-8"), "recipe.yaml")
        graph = LabelGraph.load(folder / "taxonomy.json")
        thresholds = Thresholds.from_dict(json.loads((folder / "thresholds.json").read_text(encoding="utf-8")))
        thresholds.vector(config["taxonomy"]["labels"])
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        state = decompress(load_file(folder / "model.safetensors"))
    except DAMAGE as error:
        raise _damaged(folder, error) from None
    if graph.fingerprint != config["taxonomy"]["fingerprint"]:
        raise ConfigError(
            f"{folder}/taxonomy.json: is not the taxonomy the model was trained on (fingerprint {graph.fingerprint}, "
            f"expected {config['taxonomy']['fingerprint']}). Put the original file back."
        )
    try:
        model = _restore(folder, config, recipe, graph, state)
    except DAMAGE as error:
        raise _damaged(folder, error) from None
    return SavedModel(model.eval().requires_grad_(False), graph, thresholds, recipe, config, metrics)


def load_training_state(folder: str | Path) -> dict[str, Tensor]:
    """Weights of the label encoder and the scorer as they were trained, with those of text encoder and lexical scorer.

    Raises:
        ConfigError: The folder is damaged.
    """
    folder = Path(folder)
    try:
        shared = decompress(load_file(folder / "model.safetensors"))
        own = load_file(folder / "training.safetensors")
    except DAMAGE as error:
        raise _damaged(folder, error) from None
    return {**{key: value for key, value in shared.items() if _is_shared(key)}, **own}


def load_tree(folder: str | Path) -> LabelGraph | None:
    """The hierarchy that the model of a folder searches, or None where that is its taxonomy.

    Raises:
        ConfigError: The folder is damaged.
    """
    path = Path(folder) / TREE
    try:
        return LabelGraph.load(path) if path.exists() else None
    except DAMAGE as error:
        raise _damaged(Path(folder), error) from None


def _restore(
    folder: Path, config: dict[str, Any], recipe: Recipe, graph: LabelGraph, state: dict[str, Tensor]
) -> FrozenModel | RankedModel:
    """The model with its weights."""
    encoder_state = {k.removeprefix("text_encoder."): v for k, v in state.items() if k.startswith("text_encoder.")}
    encoder = restore_text_encoder(folder / ASSETS, encoder_state)
    if isinstance(recipe.model, RankerOptions):
        return _restore_ranked(folder / RANKER, recipe.model, encoder, graph, state)
    scorer = None if config["scorer"] is None else restore_scorer(config["scorer"]["kind"], config["scorer"]["config"])
    lexical = None
    if LEXICAL_WEIGHT in state:
        lexical = LexicalScorer(*state[LEXICAL_WEIGHT].shape, max_weights=state[LEXICAL_WEIGHT].numel())
    neighbours = None
    if recipe.neighbours is not None:
        options = recipe.neighbours
        neighbours = NeighbourScorer(encoder.channels, graph.num_labels, k=options.k, temperature=options.temperature)
    kinds: dict[type, type[FrozenModel]] = {FrozenLevelScorer: FrozenHBGL, FrozenCascadeScorer: FrozenCascade}
    model = kinds.get(type(scorer), FrozenModel)(
        text_encoder=encoder,
        num_labels=graph.num_labels,
        scorer=scorer,
        lexical_scorer=lexical,
        neighbour_scorer=neighbours,
        link=build_link(recipe, graph),
    )
    model.load_state_dict(state, assign=True)
    return model


def _restore_ranked(
    folder: Path, options: RankerOptions, encoder: TextEncoder, graph: LabelGraph, state: dict[str, Tensor]
) -> RankedModel:
    """A ranker and the text encoder whose features it reads."""
    from hgraph.ranking import LinearRanker

    model = RankedModel(
        text_encoder=encoder,
        num_labels=graph.num_labels,
        ranker=LinearRanker.load(folder),
        dense_weight=options.dense_weight,
        top_k=options.top_k,
    )
    model.load_state_dict(state, assign=True)
    return model


def _damaged(folder: Path, error: Exception) -> ConfigError:
    if isinstance(error, KeyError):
        reason = f"{error} is missing"
    elif isinstance(error, OSError) and error.strerror:
        reason = f"{error.filename or 'a file'}: {error.strerror}"
    else:
        reason = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "unreadable")
    return ConfigError(f"{folder}: the model folder is damaged: {reason.rstrip('.')}. Train or copy it again.")


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json` of a model folder.

    Raises:
        ConfigError: There is none, or it is of another format.
    """
    path = folder / "config.json"
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such model folder.")
    if not path.exists():
        state = "training in it was cut short; go on with --resume" if is_unfinished(folder) else "not one"
        raise ConfigError(f"{folder}: expected a folder that `hgraph train` finished, found {state}.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}.") from None
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ConfigError(f"{path}: expected format '{FORMAT}'. Is this another program's model?")
    version, taxonomy = config.get("version"), config.get("taxonomy")
    if version == 1:
        raise ConfigError(f"{path}: was written by an older hgraph, whose models this one cannot read. Train it again.")
    if isinstance(version, int) and version > VERSION:
        raise ConfigError(f"{path}: was written by hgraph {config.get('hgraph')}. Upgrade hgraph to read it.")
    if version != VERSION or not isinstance(taxonomy, dict) or not {"fingerprint", "labels"} <= taxonomy.keys():
        raise ConfigError(f"{path}: the file is damaged. Train or copy the model again.")
    return config


def is_unfinished(folder: Path) -> bool:
    """Whether training began in `folder` and did not end."""
    return (folder / "run.json").exists() and not (folder / "config.json").exists()


def check_taxonomy(config: dict[str, Any], graph: LabelGraph, where: str) -> None:
    """Refuse a taxonomy that differs from the one a model was trained on.

    Raises:
        ConfigError: The fingerprints differ.
    """
    trained = config["taxonomy"]
    if trained["fingerprint"] != graph.fingerprint:
        raise ConfigError(
            f"{where}: is another taxonomy than the model's (fingerprint {graph.fingerprint} with {graph.num_labels} "
            f"labels, expected {trained['fingerprint']} with {trained['labels']}). Use the taxonomy the model was "
            "trained with, or train anew."
        )


def compress(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Store lexical weights as sparse rows of float16, without the weights too small to matter.

    A document's features have unit length, so dropping weights below t moves no score by more than t x sqrt(nonzeros).
    Remembered documents become float16 too.
    """
    if MEMORY in state:
        state[MEMORY] = state[MEMORY].half()
    weight = state.pop(LEXICAL_WEIGHT, None)
    if weight is None:
        return state
    keep = weight.abs() >= PRUNE_BELOW
    rows = keep.sum(1)
    return {
        **state,
        "lexical.values": weight[keep].half(),
        "lexical.columns": keep.nonzero()[:, 1].to(torch.int32),
        "lexical.offsets": torch.cat([rows.new_zeros(1), rows.cumsum(0)]),
        "lexical.num_labels": torch.tensor([weight.shape[1]]),
    }


PRUNE_BELOW = 0.05
"""Lexical weights of smaller magnitude are not stored."""


def decompress(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Undo :func:`compress`."""
    if MEMORY in state:
        state[MEMORY] = state[MEMORY].float()
    if "lexical.values" not in state:
        return state
    values, columns = state.pop("lexical.values"), state.pop("lexical.columns").long()
    offsets, num_labels = state.pop("lexical.offsets"), int(state.pop("lexical.num_labels"))
    rows = torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff())
    weight = torch.zeros(len(offsets) - 1, num_labels)
    weight[rows, columns] = values.float()
    return {**state, LEXICAL_WEIGHT: weight}


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def _is_shared(key: str) -> bool:
    """Whether `model.safetensors` holds the weight already."""
    return key.startswith(("text_encoder.", "lexical_scorer.", "neighbour_scorer."))


def _tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value.detach().cpu().contiguous() for key, value in state.items()}


def _describe(scorer: Any) -> dict[str, Any] | None:
    """What :func:`hgraph.scoring.restore` needs to build a frozen scorer of the same shape."""
    return None if scorer is None else {"kind": scorer.kind, "config": scorer.config()}
