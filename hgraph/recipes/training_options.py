"""How a recipe trains: arguments, samplers, stages, mining."""

from dataclasses import dataclass, field
from typing import Literal

from hgraph.errors import ConfigError
from hgraph.recipes.checks import at_least, check_share
from hgraph.recipes.objective_options import ObjectiveOptions

TrainedPart = Literal["text_encoder", "label_encoder", "scorer", "lexical"]
ScorePart = Literal["sum", "dense", "lexical"]


@dataclass(frozen=True)
class Lengths:
    """A random order in which neighbours have like lengths, so that batches need little padding."""

    name: Literal["lengths"] = "lengths"


@dataclass(frozen=True)
class Companions:
    """Each document with others that share a label with it, level by level; see `CompanionSampler`."""

    name: Literal["companions"] = "companions"


@dataclass(frozen=True)
class Levels:
    """Pairs of documents that share a label, drawn level by level; see `LevelSampler`."""

    name: Literal["levels"] = "levels"
    tempering: float = 0.5

    def __post_init__(self) -> None:
        at_least(self, 0, "tempering")


@dataclass(frozen=True)
class Balanced:
    """Documents of rare labels more often; see `BalancedSampler`."""

    name: Literal["balanced"] = "balanced"
    start: float = 0.0
    end: float = 0.5

    def __post_init__(self) -> None:
        at_least(self, 0, "start", "end")


SamplerOptions = Lengths | Companions | Levels | Balanced


@dataclass(frozen=True)
class Training:
    """Training arguments.

    Attributes:
        epochs: Passes over the training documents.
        batch_size: Documents of a step and process.
        eval_batch_size: Documents scored at once.
        learning_rate: Of the text encoder.
        head_learning_rate: Of label encoder, scorer and biases; None takes `learning_rate`, with `sgd` that of lexical
            weights.
        lexical_learning_rate: Of lexical weights (plain SGD, features of unit length). None takes
            2.5 sqrt(documents / 15,000): with a fixed number of epochs it limits the norm of the weights, and more
            documents bear a larger one. Measured on four corpora of 13,000 to 66,000 documents.
        head_optimizer: `sgd` trains label encoder, scorer and biases by plain SGD, like lexical weights.
        weight_decay: On matrices of the dense parts.
        scheduler: `linear` falls to zero over the run, `constant` does not.
        warmup: Share of the steps over which the rates rise.
        warmup_steps: Steps over which the rates rise, in place of a share; 0 goes by `warmup`.
        max_grad_norm: Gradients are clipped to it; 0 leaves them.
        gradient_accumulation: Batches of one step.
        early_stopping: Validations without improvement before training ends; 0 never stops early.
        metric: What counts as improvement on the validation documents; `mean_f1` is the mean of micro-F1 and of
            macro-F1 over the labels that occur. Where no objective reads scores it is the loss.
        thresholds: Where scores become labels: one value, one a label, or 0.5.
        label_documents: Whether the labels' names and descriptions are training documents too.
        prior_bias: Whether biases start at the log-odds of each label's frequency.
        seed: Of everything drawn at random.
        precision: `auto` is bf16 on a GPU that has it, with `xr_transformer` on a processor too, else fp32.
        save_steps: Steps between checkpoints; 0 saves after each epoch.
        sampler: In which order documents come, and which ones share a batch.
    """

    epochs: int = 10
    batch_size: int = 32
    eval_batch_size: int = 128
    learning_rate: float = 1e-3
    head_learning_rate: float | None = None
    lexical_learning_rate: float | None = None
    head_optimizer: Literal["adamw", "sgd"] = "adamw"
    weight_decay: float = 0.0
    scheduler: Literal["linear", "constant"] = "linear"
    warmup: float = 0.0
    warmup_steps: int = 0
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
    sampler: SamplerOptions = field(default_factory=Lengths)

    def __post_init__(self) -> None:
        at_least(self, 1, "epochs", "batch_size", "eval_batch_size", "gradient_accumulation")
        at_least(self, 0, "learning_rate", "head_learning_rate", "lexical_learning_rate", "weight_decay")
        at_least(self, 0, "max_grad_norm", "early_stopping", "save_steps", "seed", "warmup_steps")
        if self.seed >= 2**32:
            raise ConfigError(f"'seed' must be below 2**32, found {self.seed}.")
        check_share(self, "warmup")


@dataclass(frozen=True)
class Stage:
    """Training that comes before the recipe's own.

    Attributes:
        name: Name of the stage.
        objectives: What is minimised.
        parts: What is trained; None trains all that the objectives reach.
        scores: The scores that the objectives judge.
        training: Training arguments.
    """

    name: str
    objectives: list[ObjectiveOptions]
    parts: list[TrainedPart] | None = None
    scores: ScorePart = "sum"
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        check_stage(self.objectives, self.parts, f"the stage '{self.name}'")
        if not self.name or not all(letter.isalnum() or letter in "-_" for letter in self.name):
            raise ConfigError(f"'name' of a stage must be letters, digits, - and _, found '{self.name}'.")


def check_stage(objectives: list[ObjectiveOptions], parts: list[TrainedPart] | None, where: str) -> None:
    """Refuse a training without objectives, or one that trains nothing."""
    if not objectives:
        raise ConfigError(f"'objectives' of {where} must name at least one objective, found none.")
    for objective in objectives:
        at_least(objective, 0, "weight")
    if parts is not None and not parts:
        raise ConfigError(f"'parts' of {where} must name at least one part, or be null for all; found none.")


@dataclass(frozen=True)
class Neighbours:
    """Scores from the labels of similar training documents; see :class:`hgraph.retrieval.NeighbourScorer`."""

    k: int = 50
    temperature: float = 0.05

    def __post_init__(self) -> None:
        at_least(self, 1, "k")
        if self.temperature <= 0:
            raise ConfigError(f"'temperature' must be above 0, found {self.temperature}.")


@dataclass(frozen=True)
class Shortlist:
    """The labels that a training step looks at in place of all; see :class:`hgraph.sampling.ShortlistSampler`.

    Attributes:
        random: Labels drawn uniformly from those that are neither labels of the batch, mined nor drawn siblings.
        siblings: Siblings drawn for each label of the batch.
        sparse: Whether the gradients of tables with one row a label are sparse.
    """

    random: int = 1024
    siblings: int = 4
    sparse: bool = True

    def __post_init__(self) -> None:
        at_least(self, 1, "random")
        at_least(self, 0, "siblings")


@dataclass(frozen=True)
class Mining:
    """Hard negative labels, for the objective `tla` with negatives `mined` and for shortlists; see `HardNegativeMiner`.

    Attributes:
        every_epochs: Epochs between two minings.
        every_steps: Steps between two minings; 0 counts epochs.
        warmup_epochs: Epochs before the first.
        negatives: Labels mined for each document.
        strategy: Which of the similar labels are taken; `fixed` mines once.
        relative_margin: A negative is at most (1 - margin) times as similar as the least similar positive.
        max_similarity: Labels more similar than this are left alone, as they may be true.
        sibling_quota: Share of the negatives that must be siblings of a label of the document.
    """

    every_epochs: int = 1
    every_steps: int = 0
    warmup_epochs: int = 0
    negatives: int = 16
    strategy: Literal["hardest", "semi_hard", "random", "fixed"] = "hardest"
    relative_margin: float | None = None
    max_similarity: float | None = None
    sibling_quota: float = 0.0

    def __post_init__(self) -> None:
        at_least(self, 1, "every_epochs", "negatives")
        at_least(self, 0, "every_steps", "warmup_epochs")
        check_share(self, "sibling_quota", "relative_margin")
