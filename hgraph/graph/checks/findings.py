"""`Finding`: one thing that a check noticed, with how bad it is and a few examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from hgraph.graph.label_graph import LabelGraph

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
NUM_EXAMPLES = 3  # printed
NUM_KEPT = 10  # kept for those who ask
MAX_LENGTH = 72  # letters of a printed example


@dataclass(frozen=True)
class Finding:
    """One thing that a check noticed.

    Args:
        severity: `"error"` cannot be used or is certainly wrong, `"warning"` deserves a look, `"info"` is good to know.
        code: a short name that stays the same between versions, such as `redundant-edges`.
        message: one sentence with the count in it.
        count: how many labels, names, edges or documents it is about.
        examples: the first ten of them, as text; three are printed.

    Example:
        >>> print(Finding("warning", "isolated-labels", "2 labels have neither parent nor child", 2, ["x", "y"]))
        warning  2 labels have neither parent nor child: x, y
    """

    severity: Severity
    code: str
    message: str
    count: int
    examples: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shown = [" ".join(example.split()) for example in self.examples[:NUM_EXAMPLES]]
        if len(shown) > 1:
            shown = [_shorten(example) for example in shown]
        more = ", ..." if len(self.examples) > NUM_EXAMPLES else ""
        return f"{self.severity:<7}  {self.message}{': ' if shown else ''}{', '.join(shown)}{more}"


def _shorten(text: str) -> str:
    """A text without its middle when it is long."""
    half = (MAX_LENGTH - 5) // 2
    return text if len(text) <= MAX_LENGTH else f"{text[:half].rstrip()} ... {text[-half:].lstrip()}"


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The findings with errors first, then warnings; otherwise in their order."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def counted(number: int, one: str, many: str = "") -> str:
    """A number and its noun.

    Example:
        >>> counted(1, "label"), counted(1200, "label"), counted(2, "label has", "labels have")
        ('1 label', '1,200 labels', '2 labels have')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def shown_name(graph: LabelGraph, label: int) -> str:
    """The name of a label, its id when the name is empty."""
    return graph.name[label] if graph.name[label].strip() else graph.label_id[label]
