"""Figures as tables for people."""

from collections.abc import Mapping
from typing import Any

from hgraph.cli.options import table

COLUMNS = (
    ("micro_f1", "micro-F1"),
    ("macro_f1", "macro-F1"),
    ("macro_f1_supported", "macro-F1 (seen)"),
    ("r_precision", "R-Prec"),
    ("p@1", "P@1"),
    ("p@3", "P@3"),
    ("p@5", "P@5"),
    ("violation_rate", "violations"),
)


def metric_table(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """One row a model; macro-F1 over all labels and over those that occur; violations before closing upward."""
    rows = [["model", *(title for _, title in COLUMNS)]]
    for name, report in reports.items():
        rows.append([name, *(f"{report[key]:.4f}" for key, _ in COLUMNS)])
    return table(rows, align="l" + "r" * len(COLUMNS))


def level_table(report: Mapping[str, Any]) -> str:
    """One row a level of the hierarchy."""
    rows = [["level", "labels", "documents x labels", "micro-F1", "macro-F1"]]
    for level in report["per_level"]:
        rows.append(
            [
                str(level["level"]),
                str(level["labels"]),
                str(level["support"]),
                f"{level['micro_f1']:.4f}",
                f"{level['macro_f1']:.4f}",
            ]
        )
    return table(rows, align="rrrrr")
