"""A recipe: one YAML file that names a member of every axis and the training arguments."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from hgraph.errors import ConfigError
from hgraph.recipes.label_encoder_options import LabelEncoderOptions
from hgraph.recipes.model_options import ModelOptions
from hgraph.recipes.objective_options import BCE, BranchBCE, Conditional, ObjectiveOptions
from hgraph.recipes.overrides import assign
from hgraph.recipes.ranker_options import RankerOptions, XRTransformer
from hgraph.recipes.recipe_checks import check_recipe
from hgraph.recipes.schema import from_mapping, suggestion
from hgraph.recipes.scorer_options import Linear, ScorerOptions
from hgraph.recipes.text_encoder_options import Bag, Fields, Frozen, Lexical, TextEncoderOptions, Transformer
from hgraph.recipes.training_options import Mining, Neighbours, ScorePart, Shortlist, Stage, TrainedPart, Training
from hgraph.recipes.view_options import ViewOptions


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a model is built and trained.

    Attributes:
        name: Name of the recipe.
        description: One or two sentences.
        model: How the parts below make a model, where it is more than text encoder, label encoder and scorer side by
            side; None where it is that.
        text_encoder: Text -> vectors.
        label_encoder: Label graph -> vectors; None for flat models.
        scorer: Text x label -> score; None scores by lexical features alone.
        lexical: Lexical scorer beside it, or None.
        neighbours: Scores from the labels of similar training documents beside them, or None.
        view: How the second view of a document comes about, for objectives that contrast views or learn from both;
            None is another draw of dropout.
        faithful: Whether parts take the form in which they were published, mistakes included, where that differs;
            binary cross-entropy is then a mean over labels too, and a global threshold 0.5.
        random_names: Whether each label goes by the name of another, to see what names are worth.
        fuse: Whether the weights of the scores are fitted on validation documents; else each counts once.
        stages: Training that comes first, one stage after the other.
        objectives: What is minimised.
        parts: What is trained; None trains all that the objectives reach.
        scores: The scores that the objectives judge.
        mining: Hard negative labels for the objective `tla` or the shortlist, or None.
        shortlist: Which labels a training step looks at, or None for all.
        training: Training arguments.
    """

    name: str
    description: str = ""
    model: ModelOptions | None = None
    text_encoder: TextEncoderOptions = field(default_factory=Bag)
    label_encoder: LabelEncoderOptions | None = None
    scorer: ScorerOptions | None = field(default_factory=Linear)
    lexical: Lexical | None = None
    neighbours: Neighbours | None = None
    view: ViewOptions | None = None
    faithful: bool = False
    random_names: bool = False
    fuse: bool = False
    stages: list[Stage] = field(default_factory=list)
    objectives: list[ObjectiveOptions] = field(default_factory=lambda: [BCE(reduction="sum")])
    parts: list[TrainedPart] | None = None
    scores: ScorePart = "sum"
    mining: Mining | None = None
    shortlist: Shortlist | None = None
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        check_recipe(self)

    @property
    def conditional(self) -> Conditional | None:
        """The objective that makes scores conditional on parents, or None."""
        return next((objective for objective in self.objectives if isinstance(objective, Conditional)), None)

    def all_stages(self) -> list[Stage]:
        """The stages in the order they are trained; the last one is the recipe's own training."""
        training = self.training
        if self.faithful and training.thresholds == "global":
            training = replace(training, thresholds="fixed")  # no published program tunes it
        last = Stage("main", self.objectives, parts=self.parts, scores=self.scores, training=training)
        stages = [*self.stages, last]
        return [replace(stage, objectives=[self.published(part) for part in stage.objectives]) for stage in stages]

    def published(self, options: Any) -> Any:
        """The options of a part; where the recipe is faithful in the published form, if the part knows one."""
        if not self.faithful or options is None:
            return options
        if isinstance(options, BCE | BranchBCE):
            return replace(options, reduction="mean")
        known = any(field.name == "faithful" for field in fields(options))
        return replace(options, faithful=True) if known else options

    @property
    def has_tokens(self) -> bool:
        """Whether the text encoder gives the states of tokens."""
        encoder = self.text_encoder
        return isinstance(encoder.encoder if isinstance(encoder, Fields) else encoder, Transformer)

    @property
    def reads_fields(self) -> bool:
        """Whether the text encoder keeps the fields of a text apart."""
        return isinstance(self.text_encoder, Fields)

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
            assign(data, path, value)
        try:
            return from_mapping(Recipe, data)
        except ConfigError as error:
            raise ConfigError(f"--set: {error}") from None

    def with_text_encoder(self, encoder: str) -> "Recipe":
        """A copy with another text encoder: `bag`, or a Hugging Face model. Rates follow the kind of encoder.

        Raises:
            ConfigError: The parts of the recipe need another kind of encoder.
        """
        if isinstance(self.model, RankerOptions):
            return self._ranked_by(encoder)
        if encoder == "bag":
            if isinstance(self.text_encoder, Bag):
                return self
            if isinstance(self.text_encoder, Fields) and isinstance(self.text_encoder.encoder, Bag):
                return self
            rates: dict[str, Any] = {
                "learning_rate": 1e-3,
                "head_learning_rate": 1e-3,
                "warmup": 0.0,
                "max_grad_norm": 0.0,
            }
            changed = self._with_rates(rates, batch_size=32)
            if isinstance(self.text_encoder, Fields):
                return replace(changed, text_encoder=replace(self.text_encoder, encoder=Bag(), max_lengths={}))
            return replace(changed, text_encoder=Bag())
        if isinstance(self.text_encoder, Transformer | Frozen):
            return replace(self, text_encoder=replace(self.text_encoder, model=encoder))
        if isinstance(self.text_encoder, Fields) and isinstance(self.text_encoder.encoder, Transformer | Frozen):
            return replace(
                self,
                text_encoder=replace(self.text_encoder, encoder=replace(self.text_encoder.encoder, model=encoder)),
            )
        if self.scorer is None:
            raise ConfigError(
                f"--text-encoder: the recipe '{self.name}' scores by n-grams alone and needs 'bag', found '{encoder}'. "
                "Use --recipe wide_deep, flat or htla."
            )
        changed = self._with_rates({"learning_rate": 3e-5, "head_learning_rate": 1e-3, "max_grad_norm": 1.0})
        other = Transformer(model=encoder)
        if isinstance(self.text_encoder, Fields):
            return replace(changed, text_encoder=replace(self.text_encoder, encoder=other))
        return replace(changed, text_encoder=other)

    def _ranked_by(self, encoder: str) -> "Recipe":
        """A recipe of a ranker on n-grams alone (`bag`), or with the vectors of a frozen encoder beside them."""
        if encoder == "bag":
            if isinstance(self.model, XRTransformer):
                raise ConfigError(
                    f"--text-encoder: the recipe '{self.name}' fine-tunes a transformer, found 'bag'. Use --recipe "
                    "xr_linear."
                )
            bag = self.text_encoder if isinstance(self.text_encoder, Bag) else (self.lexical or Lexical()).features()
            return replace(self, text_encoder=bag, lexical=None)
        if isinstance(self.text_encoder, Transformer | Frozen):
            return replace(self, text_encoder=replace(self.text_encoder, model=encoder))
        assert isinstance(self.text_encoder, Bag)
        keys = ("word_ngrams", "char_ngrams", "min_documents", "max_features")
        grams = Lexical(**{key: getattr(self.text_encoder, key) for key in keys})
        return replace(self, text_encoder=Frozen(model=encoder), lexical=grams)

    def _with_rates(self, rates: dict[str, Any], **main: Any) -> "Recipe":
        """A copy with other `rates` in all its trainings, and `main` changes in the last one."""
        stages = [replace(stage, training=replace(stage.training, **rates)) for stage in self.stages]
        return replace(self, stages=stages, training=replace(self.training, **rates, **main))

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
