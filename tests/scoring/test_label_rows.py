"""Scores of some labels from their rows alone are those of all labels, gradients included."""

import pytest
import torch
from scorer_cases import BUILD, D, L, T

from hgraph.errors import ConfigError
from hgraph.scoring import DotScorer, HJCLScorer, label_buffers, label_parameters, rows_of_labels, score_labels

TOGETHER = {"attention-all", "hjcl-faithful", "hmcn", "hmcn-labels", "hmcn-blend", "hmcn-faithful"}
SUBSETS = [[0, 1, 2, 3, 4, 5, 6], [1, 4, 5], [6]]


def inputs(scorer):
    torch.manual_seed(1)
    shape = (3, T, D) if scorer.reads_tokens else (3, D)
    mask = torch.arange(T) < torch.tensor([[T], [2], [1]]) if scorer.reads_tokens else None
    return (
        torch.randn(shape, dtype=torch.float64, requires_grad=True),
        torch.randn(L, scorer.label_channels, dtype=torch.float64, requires_grad=True),
        mask,
    )


def gradients(scorer, text, vectors):
    found = {name: parameter.grad for name, parameter in scorer.named_parameters() if parameter.grad is not None}
    found |= {"text": text.grad, "vectors": vectors.grad}
    return {name: None if grad is None else grad.to_dense() for name, grad in found.items()}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("subset", SUBSETS)
@pytest.mark.parametrize("name", sorted(set(BUILD) - TOGETHER))
def test_scores_and_gradients_are_those_of_all_labels(name, subset, sparse):
    torch.manual_seed(0)
    scorer, labels = BUILD[name](L).double().eval(), torch.tensor(subset)
    for parameter in scorer.parameters():
        torch.nn.init.normal_(parameter)
    weight = torch.randn(3, len(subset), dtype=torch.float64)
    results = []
    for whole in (True, False):
        scorer.zero_grad()
        text, vectors, mask = inputs(scorer)
        if whole:
            scores = scorer(text, vectors, mask=mask)[:, labels]
        else:
            scores = score_labels(scorer, text, vectors[labels], labels, num_labels=L, mask=mask, sparse=sparse)
        (scores * weight).sum().backward()
        results.append((scores.detach(), gradients(scorer, text, vectors)))
    torch.testing.assert_close(*[scores for scores, _ in results])
    assert results[0][1].keys() >= results[1][1].keys()
    for key, expected in results[0][1].items():
        found = results[1][1].get(key)
        if found is None:
            assert expected is None or not expected.any()
        else:
            torch.testing.assert_close(found, expected, msg=lambda text, key=key: f"{key}: {text}")


@pytest.mark.parametrize("name", sorted(TOGETHER))
def test_scorers_of_all_labels_together_are_refused(name):
    with pytest.raises(ConfigError, match="scores all labels together and cannot score some of them"):
        score_labels(BUILD[name](L), torch.zeros(1, T, D), None, torch.tensor([0]), num_labels=L)


@pytest.mark.parametrize("name", sorted(set(BUILD) - TOGETHER))
def test_a_step_touches_the_rows_of_its_labels(name):
    scorer, labels = BUILD[name](L).double(), torch.tensor([2, 5])
    text, vectors, mask = inputs(scorer)
    score_labels(scorer, text, vectors[labels], labels, num_labels=L, mask=mask, sparse=True).sum().backward()
    for table in label_parameters(scorer):
        parameter = scorer.get_parameter(table)
        if len(parameter) != L or parameter.grad is None:
            continue
        assert parameter.grad.is_sparse == (parameter.dim() > 1)
        touched = parameter.grad.to_dense().flatten(1 if parameter.dim() > 1 else 0).abs()
        touched = touched.sum(1) if parameter.dim() > 1 else touched
        assert set(touched.nonzero().flatten().tolist()) <= {2, 5}


def test_one_number_for_all_labels_is_no_row():
    scorer = DotScorer(D)
    assert rows_of_labels(scorer, torch.tensor([1]), num_labels=L) == {}
    rows = rows_of_labels(BUILD["shrunk"](L), torch.tensor([3, 1]), num_labels=L)
    assert rows["support"].tolist() == [9, 3]


def test_names_at_any_depth():
    module = torch.nn.ModuleDict({"one": BUILD["shrunk"](L), "two": torch.nn.ModuleList([BUILD["linear"](L)])})
    assert label_parameters(module) == ["one.difference", "one.bias", "two.0.weight", "two.0.bias"]
    assert label_buffers(module) == ["one.support"]
    assert label_parameters(BUILD["linear"](L)) == ["weight", "bias"]
    assert "head" not in label_parameters(HJCLScorer(L, D, heads=2))  # there in the published form alone


def test_a_wrong_number_of_label_vectors_is_refused():
    scorer = BUILD["additive"](L)
    with pytest.raises(ConfigError, match=rf"'labels' must have shape \[2, {D}\], but got \[3, {D}\]"):
        score_labels(scorer, torch.zeros(1, D), torch.zeros(3, D), torch.tensor([0, 1]), num_labels=L)
    with pytest.raises(ConfigError, match=rf"'labels' must have shape \[{L}, {D}\], but got \[3, {D}\]"):
        scorer(torch.zeros(1, D), torch.zeros(3, D))
