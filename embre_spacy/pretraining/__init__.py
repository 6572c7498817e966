"""Entity masking: pretraining of a transformer on documents with their concepts (section 3.2 of the paper)."""

from .config import PretrainingConfig, load_pretraining_config
from .data import join_corpora
from .output import REPORT_FILE
from .train import pretrain
