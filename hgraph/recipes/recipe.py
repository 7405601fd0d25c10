"""A recipe: one YAML file that names a member of every axis and the training arguments."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least, check_share
from hgraph.recipes.label_encoder_options import (  # noqa: F401
    GAT,
    Features,
    GPTrans,
    Graphormer,
    LabelEncoderOptions,
    Learned,
    Names,
    TreeSweep,
)
from hgraph.recipes.schema import from_mapping, suggestion


@dataclass(frozen=True)
class Bag:
    """Bag of n-grams; see :class:`hgraph.text.BagTextEncoder`."""

    name: Literal["bag"] = "bag"
    channels: int = 256
    dropout: float = 0.3
    word_ngrams: int = 2
    char_ngrams: int = 0
    min_documents: int = 2
    max_features: int = 200_000

    def __post_init__(self) -> None:
        at_least(self, 0, "channels", "char_ngrams")
        at_least(self, 1, "word_ngrams", "min_documents", "max_features")
        check_share(self, "dropout")
        if self.char_ngrams in (1, 2):
            raise ConfigError(f"'char_ngrams' must be 0 (none) or at least 3, found {self.char_ngrams}.")


@dataclass(frozen=True)
class Transformer:
    """Any Hugging Face encoder; see :class:`hgraph.text.TransformerTextEncoder`."""

    name: Literal["transformer"] = "transformer"
    model: str = "sentence-transformers/all-MiniLM-L6-v2"
    pooling: Literal["cls", "mean"] = "cls"
    max_length: int = 512
    dropout: float = 0.1

    def __post_init__(self) -> None:
        at_least(self, 3, "max_length")  # two of them are special tokens
        check_share(self, "dropout")


@dataclass(frozen=True)
class Linear:
    """One weight vector a label."""

    name: Literal["linear"] = "linear"


@dataclass(frozen=True)
class Additive:
    """HTLA's scorer in closed form."""

    name: Literal["additive"] = "additive"


@dataclass(frozen=True)
class Dot:
    """Inner product or cosine of text and label vectors."""

    name: Literal["dot"] = "dot"
    similarity: Literal["dot", "cosine"] = "dot"


@dataclass(frozen=True)
class Lexical:
    """Sparse features straight into a linear scorer; see :class:`hgraph.scoring.LexicalScorer`."""

    max_weights: int = 1_000_000_000

    def __post_init__(self) -> None:
        at_least(self, 1, "max_weights")


@dataclass(frozen=True)
class BCE:
    """Binary cross-entropy."""

    name: Literal["bce"] = "bce"
    weight: float = 1.0
    reduction: Literal["mean", "sum"] = "mean"


@dataclass(frozen=True)
class SquaredHinge:
    """Squared hinge, the loss of linear support vector machines."""

    name: Literal["squared_hinge"] = "squared_hinge"
    weight: float = 1.0
    reduction: Literal["mean", "sum"] = "mean"


@dataclass(frozen=True)
class ZLPR:
    """Zero-bounded log-sum-exp pairwise ranking loss."""

    name: Literal["zlpr"] = "zlpr"
    weight: float = 1.0


@dataclass(frozen=True)
class TLA:
    """HTLA's text-label alignment loss."""

    name: Literal["tla"] = "tla"
    weight: float = 1.0
    temperature: float = 0.07

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ConfigError(f"'temperature' must be above 0, found {self.temperature}.")


@dataclass(frozen=True)
class Training:
    """Training arguments.

    Attributes:
        epochs: Passes over the training documents.
        batch_size: Documents of a step and process.
        eval_batch_size: Documents scored at once.
        learning_rate: Of the text encoder.
        head_learning_rate: Of label encoder, scorer and biases; None takes `learning_rate`.
        lexical_learning_rate: Of lexical weights (plain SGD, features of unit length). None takes
            2.5 sqrt(documents / 15,000): with a fixed number of epochs it limits the norm of the weights, and more
            documents bear a larger one. Measured on four corpora of 13,000 to 66,000 documents.
        weight_decay: On matrices of the dense parts.
        scheduler: `linear` falls to zero over the run, `constant` does not.
        warmup: Share of the steps over which the rates rise.
        max_grad_norm: Gradients are clipped to it; 0 leaves them.
        gradient_accumulation: Batches of one step.
        early_stopping: Validations without improvement before training ends; 0 never stops early.
        metric: What counts as improvement on the validation documents; `mean_f1` is the mean of micro-F1 and of
            macro-F1 over the labels that occur.
        thresholds: Where scores become labels: one value, one a label, or 0.5.
        label_documents: Whether the labels' names and descriptions are training documents too.
        prior_bias: Whether biases start at the log-odds of each label's frequency.
        seed: Of everything drawn at random.
        precision: `auto` is bf16 on a GPU that has it, else fp32.
        save_steps: Steps between checkpoints; 0 saves after each epoch.
    """

    epochs: int = 10
    batch_size: int = 32
    eval_batch_size: int = 128
    learning_rate: float = 1e-3
    head_learning_rate: float | None = None
    lexical_learning_rate: float | None = None
    weight_decay: float = 0.0
    scheduler: Literal["linear", "constant"] = "linear"
    warmup: float = 0.0
    max_grad_norm: float = 0.0
    gradient_accumulation: int = 1
    early_stopping: int = 3
    metric: Literal["macro_f1", "macro_f1_supported", "micro_f1", "mean_f1", "r_precision"] = "macro_f1"
    thresholds: Literal["global", "per_label", "fixed"] = "global"
    label_documents: bool = False
    prior_bias: bool = True
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    save_steps: int = 0

    def __post_init__(self) -> None:
        at_least(self, 1, "epochs", "batch_size", "eval_batch_size", "gradient_accumulation")
        at_least(self, 0, "learning_rate", "head_learning_rate", "lexical_learning_rate", "weight_decay")
        at_least(self, 0, "max_grad_norm", "early_stopping", "save_steps", "seed")
        if self.seed >= 2**32:
            raise ConfigError(f"'seed' must be below 2**32, found {self.seed}.")
        check_share(self, "warmup")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a model is built and trained.

    Attributes:
        name: Name of the recipe.
        description: One or two sentences.
        text_encoder: Text -> vectors.
        label_encoder: Label graph -> vectors; None for flat models.
        scorer: Text x label -> score; None scores by lexical features alone.
        lexical: Lexical scorer beside it, or None.
        objectives: What is minimised.
        training: Training arguments.
    """

    name: str
    description: str = ""
    text_encoder: Bag | Transformer = field(default_factory=Bag)
    label_encoder: LabelEncoderOptions | None = None
    scorer: Linear | Additive | Dot | None = field(default_factory=Linear)
    lexical: Lexical | None = None
    objectives: list[BCE | SquaredHinge | ZLPR | TLA] = field(default_factory=lambda: [BCE(reduction="sum")])
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ConfigError("'objectives' must name at least one objective, found none.")
        for objective in self.objectives:
            at_least(objective, 0, "weight")
        if self.scorer is None and self.lexical is None:
            raise ConfigError("a model needs a 'scorer', 'lexical' or both, found neither.")
        if self.lexical is not None and not isinstance(self.text_encoder, Bag):
            raise ConfigError("'lexical' needs the text encoder 'bag', which alone gives n-grams.")
        if self.scorer is not None and isinstance(self.text_encoder, Bag) and not self.text_encoder.channels:
            raise ConfigError("a 'scorer' needs dense text vectors: set 'text_encoder.channels' above 0, found 0.")
        if isinstance(self.scorer, Additive | Dot) and self.label_encoder is None:
            raise ConfigError(f"the scorer '{self.scorer.name}' needs a 'label_encoder', found none.")
        if any(isinstance(o, TLA) for o in self.objectives) and self.label_encoder is None:
            raise ConfigError("the objective 'tla' needs a 'label_encoder', found none.")

    @classmethod
    def load(cls, name_or_path: str | Path) -> "Recipe":
        """A recipe that ships with hgraph, by name, or one from a YAML file.

        Raises:
            ConfigError: There is none of that name, or the file is malformed.
        """
        text = str(name_or_path)
        if text.endswith((".yaml", ".yml")) or os.sep in text:
            try:
                content = Path(text).read_text(encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"--recipe: {text} cannot be read: {error.strerror}.") from None
            except UnicodeDecodeError:
                raise ConfigError(f"--recipe: {text} is not UTF-8. Save the file as UTF-8.") from None
            return cls.parse(content, text)
        if text not in recipe_names():
            raise ConfigError(
                f"--recipe: there is no recipe '{text}'{suggestion(text, recipe_names())} Known: "
                f"{', '.join(recipe_names())}; or give a .yaml file."
            )
        return cls.parse(recipe_source(text), f"recipe {text}")

    @classmethod
    def parse(cls, content: str, source: str) -> "Recipe":
        """A recipe from YAML text.

        Raises:
            ConfigError: It is malformed; the message begins with `source`.
        """
        try:
            data = yaml.safe_load(content)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigError(f"{source}{line}: malformed YAML: {getattr(error, 'problem', error)}.") from None
        try:
            return from_mapping(cls, data)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None

    def override(self, settings: Sequence[str]) -> "Recipe":
        """A copy with `key=value` settings applied; keys are dotted, and those of `training` may stand alone.

        Raises:
            ConfigError: A setting has no `=`, or its key or value is wrong.
        """
        data = self.to_dict()
        training = tuple(data["training"])
        for setting in settings:
            key, equals, value = setting.partition("=")
            if not equals or not key:
                raise ConfigError(f"--set: expected key=value, found '{setting}'.")
            path = key.split(".")
            if key in training:
                path = ["training", key]
            elif path[0] not in data:
                hint = suggestion(key, [*training, *data])
                raise ConfigError(f"--set: there is no key '{key}'{hint} `hgraph recipes show NAME --full` lists all.")
            self._assign(data, path, value)
        try:
            return from_mapping(Recipe, data)
        except ConfigError as error:
            raise ConfigError(f"--set: {error}") from None

    @staticmethod
    def _assign(data: dict[str, Any], path: list[str], value: str) -> None:
        try:
            parsed = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):  # ValueError: a date that is none
            parsed = value
        place = data
        for part in path[:-1]:
            if isinstance(place, dict) and part in place and place[part] is None:
                place[part] = {}
            inner = place.get(part) if isinstance(place, dict) else None
            if not isinstance(inner, dict):
                known = [key for key, item in data.items() if isinstance(item, dict | None)]
                hint = suggestion(part, known)
                raise ConfigError(f"--set: there is no key '{'.'.join(path)}'{hint} Sections: {', '.join(known)}.")
            place = inner
        if path[-1] in ("text_encoder", "label_encoder", "scorer") and isinstance(parsed, str):
            parsed = {"name": parsed}
        if path[-1] == "name" and isinstance(place, dict) and place.get("name") != parsed and len(path) > 1:
            # Another member of the axis has other options.
            place.clear()
        place[path[-1]] = parsed

    def with_text_encoder(self, encoder: str) -> "Recipe":
        """A copy with another text encoder: `bag`, or a Hugging Face model. Rates follow the kind of encoder.

        Raises:
            ConfigError: The recipe scores by lexical features, which only a bag gives.
        """
        if encoder == "bag":
            if isinstance(self.text_encoder, Bag):
                return self
            training = replace(
                self.training, learning_rate=1e-3, head_learning_rate=1e-3, batch_size=32, warmup=0.0, max_grad_norm=0.0
            )
            return replace(self, text_encoder=Bag(), training=training)
        if self.lexical is not None:
            raise ConfigError(
                f"--text-encoder: the recipe '{self.name}' scores by n-grams and needs 'bag', found '{encoder}'. Use "
                "--recipe flat or htla."
            )
        if isinstance(self.text_encoder, Transformer):
            return replace(self, text_encoder=replace(self.text_encoder, model=encoder))
        training = replace(self.training, learning_rate=3e-5, head_learning_rate=1e-3, max_grad_norm=1.0)
        return replace(self, text_encoder=Transformer(model=encoder), training=training)

    def to_dict(self) -> dict[str, Any]:
        """Plain keys and values, ready for YAML."""
        return asdict(self)

    def to_yaml(self) -> str:
        """YAML text that :meth:`parse` reads back."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=100)


def recipe_names() -> list[str]:
    """Names of the recipes that ship with hgraph, sorted."""
    names = (entry.name for entry in files("hgraph.recipes").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def recipe_source(name: str) -> str:
    """YAML text of a shipped recipe, comments included."""
    return files("hgraph.recipes").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
