"""Entity masking: pretraining of a transformer on documents with their concepts (section 3.2 of the paper).

Knows nothing of files of annotations. `embre_spacy.pretraining.train` imports PyTorch, so it is not imported here.
"""

from .config import PretrainingConfig, load_pretraining_config

__all__ = ["PretrainingConfig", "load_pretraining_config"]
