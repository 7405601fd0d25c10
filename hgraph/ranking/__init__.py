"""Sparse linear rankers on label trees (XR-Linear)."""
