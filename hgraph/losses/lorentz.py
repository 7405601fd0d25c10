"""Distances in hyperbolic space, on the Lorentz model, of points given by tangent vectors at its origin."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hgraph.losses.similarity import products

MAX_ARGUMENT = math.asinh(2.0**15)
"""Tangent vectors are cut to this length, in units of the radius of curvature: beyond it float32 runs out of digits."""
MIN_EXCESS = 1e-8
"""Smallest :math:`\\cosh(\\sqrt c d) - 1`: at distance 0 the slope of the distance has no direction."""


def exp0(vectors: Tensor, curvature: Tensor | float = 1.0) -> Tensor:
    r"""The points that tangent vectors at the origin lead to: the exponential map, space components alone.

    .. math:: \exp_0(x) = \frac{\sinh(\sqrt c \lVert x \rVert)}{\sqrt c \lVert x \rVert} x,
        \qquad x_0 = \sqrt{1 / c + \lVert \exp_0(x) \rVert^2}

    Args:
        vectors: :math:`x`; a vector is as long as its point is far from the origin.
        curvature: :math:`c` above 0; the space has curvature :math:`-c`.

    Shapes:
        - vectors and output ``[..., D]``

    Example:
        >>> exp0(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
        tensor([[1.1752, 0.0000],
                [0.0000, 0.0000]])
    """
    return F.normalize(vectors, dim=-1) * _argument(vectors, curvature).sinh().unsqueeze(-1) / curvature**0.5


def lorentz_distance(text: Tensor, vectors: Tensor, curvature: Tensor | float = 1.0) -> Tensor:
    r"""Distances between the points of documents and of labels, all given by tangent vectors at the origin.

    On the hyperboloid :math:`\cosh(\sqrt c\, d) = -c \langle x, y \rangle = c (x_0 y_0 - x \cdot y)`, which near 1 is
    a small difference of large numbers. With :math:`a, b` the lengths of the two tangent vectors in units of the radius
    and :math:`\theta` the angle between them, the law of cosines gives the same as a sum of positive terms:

    .. math:: \cosh(\sqrt c\, d) - 1 = 2 \sinh^2 \frac{a - b}{2} + \sinh a \sinh b \, (1 - \cos \theta)

    Args:
        text: tangent vectors of documents.
        vectors: tangent vectors of labels.
        curvature: :math:`c` above 0; the space has curvature :math:`-c`.

    Shapes:
        - text ``[B, D]``, vectors ``[L, D]`` or, for labels of its own for each document, ``[B, K, D]``
        - output ``[B, L]``, or ``[B, K]``

    Example:
        >>> lorentz_distance(torch.tensor([[0.3, 0.0]]), torch.tensor([[0.0, 0.4], [0.0, 0.0]]))
        tensor([[0.5047, 0.3000]])
    """
    a, b = _argument(text, curvature).unsqueeze(1), _argument(vectors, curvature)
    cosines = products(F.normalize(text, dim=-1), F.normalize(vectors, dim=-1))
    excess = 2 * ((a - b) / 2).sinh().square() + a.sinh() * b.sinh() * (1 - cosines)
    excess = excess.clamp(min=MIN_EXCESS)
    return torch.log1p(excess + (excess * (excess + 2)).sqrt()) / curvature**0.5


def _argument(vectors: Tensor, curvature: Tensor | float) -> Tensor:
    """Lengths in units of the radius of curvature."""
    return (torch.linalg.vector_norm(vectors, dim=-1) * curvature**0.5).clamp(max=MAX_ARGUMENT)


def lorentz_similarity(text: Tensor, vectors: Tensor) -> Tensor:
    """Minus the distance at curvature 1 of vectors divided by the root of their width; shapes as of the distance.

    The division brings vectors with coordinates around 1 to lengths around 1, where hyperbolic space differs from flat
    space and floating-point numbers are still dense. :class:`~hgraph.losses.LorentzTLALoss` learns it.

    Example:
        >>> lorentz_similarity(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
        tensor([[-1.4142e-04, -2.0000e+00]])
    """
    scale = text.size(-1) ** -0.5
    return -lorentz_distance(text * scale, vectors * scale)
