"""A transformer and a tokenizer of a few kilobytes, made here, so that no test needs a network; one thread."""

import pytest
import torch

# On tensors this small, threads that wait for each other cost more than the arithmetic, most of all on a busy machine.
torch.set_num_threads(1)

WORDS = [f"w{i}" for i in range(20)]


def _tokenizer(max_length=None, *, specials=True):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if specials:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    options = {} if max_length is None else {"model_max_length": max_length}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        **options,
    )


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """Maker of a tokenizer of 20 words, `w0` to `w19`; without a length its model_max_length is huge."""
    return _tokenizer


@pytest.fixture(scope="session")
def tiny_bert():
    """Maker of a BERT of two layers and 16 channels for 24 tokens and 32 positions."""

    def make(**changes):
        from transformers import BertConfig, BertModel

        torch.manual_seed(0)
        sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        return BertModel(BertConfig(**{"vocab_size": 24, "max_position_embeddings": 32, **sizes, **changes}))

    return make
