"""A tiny corpus, encoder and grid, and results made by hand."""

import copy
import json
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
import srsly
from encoders import make_tiny_encoder
from spacy.vocab import Vocab

from embre_spacy import read, write
from experiments.grid import load_grid
from experiments.settings import cell_settings
from experiments.statistics import LEVELS

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def place(tmp_path_factory, sample_dir) -> Path:
    """A folder with an encoder and a few documents of the sample corpus."""
    folder = tmp_path_factory.mktemp("experiments")
    make_tiny_encoder(folder / "tiny", max_positions=512)
    docs = list(read(sample_dir / "train.xml", Vocab()))
    write(docs[:4], folder / "train.spacy")
    write(docs[4:7], folder / "dev.spacy")
    return folder


@pytest.fixture(scope="session")
def tiny_grid(place) -> Dict[str, Any]:
    """A grid of two cells, one with pretraining, that takes seconds."""
    return {
        "title": "A trial",
        "question": "Does it run?",
        "seeds": [0],
        "corpus": {"train": str(place / "train.spacy"), "dev": str(place / "dev.spacy")},
        "pretraining": {
            "entities": {
                "config": str(ROOT / "configs" / "pretrain.cfg"),
                "overrides": {"encoder.overlap": 16, "training.epochs": 2, "training.precision": "float32"},
            }
        },
        "training": {
            "config": str(ROOT / "configs" / "train.cfg"),
            "encoder": str(place / "tiny"),
            "overrides": {
                "training.max_steps": 2,
                "training.eval_frequency": 1,
                "training.optimizer.learn_rate.warmup_steps": 1,
                "training.logger.progress_bar": None,
                "components.embre_relation.model.encoder.precision": "float32",
                "components.embre_relation.threshold": 0.1,
            },
        },
        "baseline": "none",
        "cells": [
            {"name": "none", "label": "no pretraining"},
            {"name": "entities", "label": "masked entities", "pretraining": "entities"},
        ],
    }


@pytest.fixture
def write_grid(tmp_path, tiny_grid) -> Callable[..., Path]:
    """Writes the tiny grid after a change."""

    def make(change: Callable[[Dict[str, Any]], Any] = lambda grid: None, name: str = "trial") -> Path:
        grid = copy.deepcopy(tiny_grid)
        change(grid)
        path = tmp_path / f"{name}.yml"
        srsly.write_yaml(path, grid)
        return path

    return make


@pytest.fixture
def make_result() -> Callable[..., Dict[str, Any]]:
    """Makes a result of a cell by hand. `documents` are the [tp, fp, fn] of all levels of each document."""

    def make(cell, seed=0, documents=((5, 2, 3), (1, 1, 4)), **changes) -> Dict[str, Any]:
        tp, fp, fn = (sum(one[i] for one in documents) for i in range(3))
        p, r = tp / (tp + fp), tp / (tp + fn)
        counts = {"gold": tp + fn, "tp": tp, "fp": fp, "fn": fn, "p": p, "r": r, "f": 2 * p * r / (p + r)}
        by_type = {"Binding": counts, "Other": {**counts, "gold": 0, "f": 0.0}, "Rare": {**counts, "gold": 2, "f": 0.0}}
        levels = {level: {**counts, "per_relation_type": by_type, "per_entity_type_pair": {}} for level in LEVELS}
        return {
            "grid": "trial",
            "cell": cell.name,
            "label": cell.label,
            "seed": seed,
            "settings": json.loads(json.dumps(cell_settings(cell, seed))),
            "pretraining": None,
            "run": {
                "command": "python -m embre_spacy experiment run trial.yml --only none --gpu-id 0",
                "commit": "0123456789abcdef",
                "machine": {"processor": "a machine", "cores": 2, "system": "Linux"},
            },
            "seconds": {"pretraining": None, "training": 3600.0, "evaluation": 60.0},
            "documents_per_second": 12.34,
            "dev": {
                "counts": levels,
                "documents": [
                    {"id": str(number), **{level: list(one) for level in LEVELS}}
                    for number, one in enumerate(documents)
                ],
                "threshold": 0.3,
                "seconds": 60.0,
                "best_threshold": {"threshold": 0.35, **dict.fromkeys(LEVELS, 0.5)},
                "gold_pairs": {"pairs": 3, "type_accuracy": 0.75, "novelty_accuracy": None},
                "calibration": {"relation": {"temperature": 1.25, "ece": 0.11, "ece_after": 0.05}},
            },
            **changes,
        }

    return make


@pytest.fixture
def cells(write_grid):
    """The cells of the tiny grid, by name."""
    return {cell.name: cell for cell in load_grid(write_grid()).cells}
