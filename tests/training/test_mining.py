"""Mining while training: when, of what, for which step; kept in checkpoints and taken up again."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import PartialState
from torch import nn
from transformers import TrainerCallback, TrainingArguments

from hgraph.data import AlignmentDataset, Collator
from hgraph.errors import ConfigError, DataError
from hgraph.losses import BCELoss, ObjectiveList, TLALoss
from hgraph.models import AlignmentModel
from hgraph.nn import LearnedLabelEncoder
from hgraph.retrieval import HardNegativeMiner, MinedNegatives
from hgraph.scoring import DotScorer, LinearScorer
from hgraph.text import BagTextEncoder
from hgraph.training import HierarchicalTrainer, MiningCallback, last_checkpoint
from hgraph.training.mining import MINED_FILE, encode
from hgraph.training.progress import SaveEvery

STEPS = 8  # in an epoch of 60 documents


class Stop(Exception):
    """Stands for a crash."""


class Watch(TrainerCallback):
    """What the model was given in each training step, what the batch was, and the random numbers that follow."""

    def __init__(self, crash=None):
        self.mined, self.labels, self.random, self.rows, self.crash = [], [], [], [], crash

    def on_train_begin(self, args, state, control, **kwargs):
        def see_rows(module, given, inputs):
            if "rows" in inputs:
                self.rows.append((state.global_step, inputs["rows"].tolist()))

        self.first_hook = kwargs["model"].register_forward_pre_hook(see_rows, with_kwargs=True)
        objective = next(m for m in kwargs["model"].modules() if isinstance(m, TLALoss))
        self.hook = objective.register_forward_pre_hook(self._see, with_kwargs=True)

    def _see(self, module, given, kwargs):
        self.mined.append(kwargs["mined"].clone())
        self.labels.append(kwargs["labels"].clone())

    def on_step_begin(self, args, state, control, **kwargs):
        if self.crash is not None and state.global_step >= self.crash:
            self.on_train_end(args, state, control)
            raise Stop
        self.random.append(torch.random.get_rng_state().clone())

    def on_train_end(self, args, state, control, **kwargs):
        self.hook.remove()
        self.first_hook.remove()


@pytest.fixture
def parts(toy_graph, toy_corpora):
    """Maker of a model with dropout, and the documents."""

    def make(scorer=None, *, scores=True):
        torch.manual_seed(0)
        encoder = BagTextEncoder.fit(toy_corpora["train"].texts, channels=8)
        model = AlignmentModel(
            text_encoder=encoder,
            num_labels=toy_graph.num_labels,
            label_encoder=LearnedLabelEncoder(toy_graph.num_labels, 8) if scorer is None else None,
            scorer=DotScorer(8) if scorer is None else scorer,
            objectives=ObjectiveList([*([BCELoss()] if scores else []), TLALoss(negatives="mined")]),
        )
        data = {
            name: AlignmentDataset(encoder.prepare(toy_corpora[name].texts), toy_corpora[name].labels)
            for name in ("train", "val")
        }
        return model, data

    return make


@pytest.fixture
def run(parts, toy_graph, tmp_path):
    """Maker of a finished training: the trainer, the callback and what was watched."""

    def make(
        folder="run", *, miner=None, resume=False, crash=None, save=3, epochs=3, accumulate=1, scores=True, **schedule
    ):
        model, data = parts(scores=scores)
        checkpoints = tmp_path / folder
        arguments = TrainingArguments(
            output_dir=str(checkpoints),
            num_train_epochs=epochs,
            per_device_train_batch_size=8,
            per_device_eval_batch_size=30,
            gradient_accumulation_steps=accumulate,
            learning_rate=0.05,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=20,
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            label_names=["labels"],
            use_cpu=True,
        )
        checkpoint = last_checkpoint(checkpoints) if resume else None
        miner = miner or HardNegativeMiner(graph=toy_graph, num_negatives=3, strategy="random", sibling_quota=0.4)
        callback = MiningCallback(miner, data["train"], resume_from=checkpoint, **schedule)
        watch = Watch(crash)
        trainer = HierarchicalTrainer(
            model,
            arguments,
            graph=toy_graph,
            train_dataset=data["train"],
            eval_dataset=data["val"],
            head_learning_rate=0.05,
            lexical_learning_rate=1.0,
            callbacks=[SaveEvery(save), watch, callback],
        )
        if checkpoint:
            trainer.go_on_from(checkpoint)
        if crash is None:
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        else:
            with pytest.raises(Stop):
                trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        return trainer, callback, watch

    return make


@pytest.fixture
def minings(monkeypatch):
    """The steps at which labels were mined, and what was found."""
    found = []
    original = HardNegativeMiner.mine_labels

    def mine(self, text, labels, matrix, *, round=0):
        mined = original(self, text, labels, matrix, round=round)
        found.append((round, mined))
        return mined

    monkeypatch.setattr(HardNegativeMiner, "mine_labels", mine)
    return found


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        ({}, [0, 8, 16]),
        ({"every_epochs": 2}, [0, 16]),
        ({"warmup_epochs": 1}, [8, 16]),
        ({"warmup_epochs": 2, "every_epochs": 2}, [16]),
        ({"warmup_epochs": 3}, [24]),
        ({"every_steps": 5}, [0, 5, 10, 15, 20]),
        ({"every_steps": 5, "warmup_epochs": 1}, [8, 10, 15, 20]),
        ({"every_steps": 12}, [0, 12]),
    ],
)
def test_when_it_mines(run, minings, schedule, steps):
    run(**schedule)
    assert [step for step, _ in minings] == steps


def test_fixed_mines_once(run, minings, toy_graph):
    run(miner=HardNegativeMiner(graph=toy_graph, num_negatives=3, strategy="fixed"), every_steps=2, warmup_epochs=1)
    assert [step for step, _ in minings] == [8]


@pytest.mark.parametrize("accumulate", [1, 2])
def test_each_step_gets_the_ids_in_force_for_its_documents(run, minings, parts, accumulate):
    _, callback, watch = run(every_steps=3, accumulate=accumulate)
    labels = callback.dataset.labels.toarray()
    assert len(watch.rows) == len(watch.mined) == 3 * STEPS
    assert sorted(row for _, rows in watch.rows[STEPS : 2 * STEPS] for row in rows) == list(range(60))
    for (step, rows), mined, given in zip(watch.rows, watch.mined, watch.labels, strict=True):
        in_force = [found for at, found in minings if at <= step][-1]
        np.testing.assert_array_equal(given.numpy(), labels[rows])
        np.testing.assert_array_equal(mined.numpy(), in_force.ids[rows])
    assert watch.mined[0].dtype == torch.long
    assert any((one.ids != other.ids).any() for (_, one), (_, other) in itertools.pairwise(minings))


def test_before_the_first_mining_there_are_none(run):
    _, _, watch = run(warmup_epochs=1)
    assert all((mined == -1).all() and mined.shape[1] == 3 for mined in watch.mined[:STEPS])
    assert all((mined >= 0).any() for mined in watch.mined[STEPS:])


def test_mining_draws_no_random_numbers_of_the_training(run):
    _, _, often = run(every_steps=2)
    _, _, never = run("other", warmup_epochs=4)
    assert len(often.random) == len(never.random) == 3 * STEPS
    for one, other in zip(often.random, never.random, strict=True):
        assert torch.equal(one, other)


def test_evaluation_sees_no_mined_labels_and_the_documents_are_left_as_they_were(run):
    trainer, callback, _ = run()
    assert not callback.dataset.numbered
    assert "row" not in callback.dataset[0]
    assert not trainer.alignment._forward_pre_hooks
    assert trainer.evaluate()["eval_micro_f1"] >= 0


def test_where_the_loss_is_validated_no_negatives_are_mined_for_it(run):
    _, _, watch = run(scores=False)
    training, validation = ([m for m in watch.mined if len(m) in sizes] for sizes in ((8, 4), (30,)))
    assert len(training) == 3 * STEPS and len(validation) == 3  # one batch of 30 documents after each epoch
    assert all((mined >= 0).any() for mined in training)
    assert all(mined.shape == (30, 3) and (mined == -1).all() for mined in validation)


def test_vectors_are_those_of_the_model_in_evaluation_mode(parts, tmp_path):
    model, data = parts()
    model.train()
    args = TrainingArguments(output_dir=str(tmp_path), per_device_eval_batch_size=7, use_cpu=True, report_to="none")
    text, labels = encode(model, data["train"], args)
    assert model.training and model.text_encoder.training
    model.eval()
    with torch.no_grad():
        for row in range(60):
            alone = model.text_encoder(**model.text_encoder.collate([data["train"].features[row]])).pooled[0]
            torch.testing.assert_close(text[row], alone)
        torch.testing.assert_close(labels, model.label_vectors())
    assert not text.requires_grad and (text.dtype, labels.dtype) == (torch.float32, torch.float32)


def test_without_a_label_encoder_the_weights_of_the_scorer_are_mined(parts, toy_graph, tmp_path):
    scorer = LinearScorer(toy_graph.num_labels, 8)
    model, data = parts(scorer)
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    _, labels = encode(model, data["train"], args)
    torch.testing.assert_close(labels, scorer.label_weights(None))


def test_every_checkpoint_holds_the_ids_in_force(run, minings, tmp_path):
    run(every_steps=4, save=3)
    folders = sorted((tmp_path / "run").glob("checkpoint-*"))
    assert {int(folder.name.removeprefix("checkpoint-")) for folder in folders} == {3, 6, 8, 9, 12, 15, 16, 18, 21, 24}
    for folder in folders:
        step = int(folder.name.removeprefix("checkpoint-"))
        mined = MinedNegatives.load(folder / MINED_FILE)
        in_force = [found for at, found in minings if at <= step][-1]
        np.testing.assert_array_equal(mined.ids, in_force.ids)
        np.testing.assert_array_equal(mined.similarity, in_force.similarity)
        assert str(mined.summary) == str(in_force.summary)


@pytest.mark.parametrize("schedule", [{}, {"every_steps": 3}, {"every_steps": 2, "warmup_epochs": 1}])
@pytest.mark.parametrize(
    ("strategy", "crash"), [("random", 1), ("random", 8), ("random", 10), ("random", 17), ("hardest", 10)]
)
def test_a_resumed_run_ends_bit_by_bit_as_an_uninterrupted_one(run, toy_graph, schedule, crash, strategy):
    miner = HardNegativeMiner(graph=toy_graph, num_negatives=3, strategy=strategy)
    whole, _, seen = run("whole", miner=miner, **schedule)
    run("part", miner=miner, crash=crash, **schedule)
    resumed, _, rest = run("part", miner=miner, resume=True, **schedule)
    for (name, one), other in zip(
        whole.alignment.state_dict().items(), resumed.alignment.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    assert len(rest.mined) > 0
    for one, other in zip(rest.mined[::-1], seen.mined[::-1], strict=False):
        assert torch.equal(one, other)


@pytest.mark.parametrize("save", [3, 100])  # in an epoch, and at its end alone
def test_the_ids_are_there_before_the_checkpoint_can_be_read(run, monkeypatch, tmp_path, save):
    """A checkpoint counts as whole once its trainer_state.json is; a crash right after that must not lose the ids."""
    original = HierarchicalTrainer._save_checkpoint

    def crash(self, *arguments):
        original(self, *arguments)
        raise Stop

    monkeypatch.setattr(HierarchicalTrainer, "_save_checkpoint", crash)
    run(crash=99, save=save)
    assert (last_checkpoint(tmp_path / "run") / MINED_FILE).exists()


def test_ids_of_other_documents_or_another_number_are_refused(run, toy_graph, tmp_path):
    run(crash=7)
    with pytest.raises(ConfigError, match=r"holds negatives of shape \[60, 3\], expected \[60, 2\]"):
        run(miner=HardNegativeMiner(graph=toy_graph, num_negatives=2), resume=True)
    (last_checkpoint(tmp_path / "run") / MINED_FILE).write_bytes(b"nonsense")
    with pytest.raises(DataError, match="expected mined negatives"):
        run(resume=True)


class Wide(nn.Module):
    """A label encoder of another width."""

    def __init__(self, num_labels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_labels, 5))

    def forward(self, features=None):
        return self.weight


def test_refuses_what_cannot_be_mined(parts, toy_graph, tmp_path):
    model, data = parts()
    miner = HardNegativeMiner(graph=toy_graph)
    with pytest.raises(ConfigError, match="'dataset' must carry labels"):
        MiningCallback(miner, AlignmentDataset(data["train"].features))
    for name, least in (("every_epochs", 1), ("every_steps", 0), ("warmup_epochs", 0)):
        with pytest.raises(ConfigError, match=f"'{name}' must be at least {least}, but got {least - 1}"):
            MiningCallback(miner, data["train"], **{name: least - 1})
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    model.label_encoder = Wide(toy_graph.num_labels)
    with pytest.raises(ConfigError, match="vectors of one width, found 8 and 5 channels"):
        encode(model, data["train"], args)
    model.label_encoder, model.scorer = None, None
    with pytest.raises(ConfigError, match="mining needs label vectors"):
        encode(model, data["train"], args)


def test_rows_in_a_batch(parts):
    model, data = parts()
    collate = Collator(model.text_encoder.collate, 9)
    assert "rows" not in collate([data["train"][3]])
    data["train"].numbered = True
    batch = collate([data["train"][row] for row in (3, -1, 0)])
    assert batch["rows"].dtype == torch.long
    assert batch["rows"].tolist() == [3, 59, 0]
    assert "rows" not in collate([])


def process(rank, folder):
    """One of two processes: what it encodes and what it holds after a mining."""
    import os

    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    PartialState(cpu=True, backend="gloo")
    model, dataset, miner, args = torch.load(Path(folder) / "given.pt", weights_only=False)
    calls = []
    original = type(model.text_encoder).forward
    type(model.text_encoder).forward = lambda self, **batch: (
        calls.append(len(batch["offsets"])) or original(self, **batch)
    )
    callback = MiningCallback(miner, dataset)
    state = type("State", (), {"global_step": 0})()
    callback._mine(args, state, model)
    found = {"ids": callback.ids.tolist(), "encoded": sum(calls), "mined": callback.mined is not None}
    (Path(folder) / f"found{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="needs gloo")
def test_two_processes_share_the_work_and_hold_the_same(parts, toy_graph, tmp_path):
    model, data = parts()
    miner = HardNegativeMiner(graph=toy_graph, num_negatives=3)
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    alone = MiningCallback(miner, data["train"])
    alone._mine(args, type("State", (), {"global_step": 0})(), model)
    torch.save((model, data["train"], miner, args), tmp_path / "given.pt")
    torch.multiprocessing.spawn(process, (str(tmp_path),), nprocs=2)
    found = [json.loads((tmp_path / f"found{rank}.json").read_text()) for rank in (0, 1)]
    assert found[0]["ids"] == found[1]["ids"] == alone.ids.tolist()
    assert [f["encoded"] for f in found] == [30, 30]
    assert [f["mined"] for f in found] == [True, False]
