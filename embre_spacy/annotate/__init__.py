"""Relations for any number of documents: files in, files or tables out, in any number of runs that were killed.

`run` leads: it finds the inputs (`sources`), makes the `plan`, has an engine finish every file (`engine`, here or in
actors by `ray_engine`), and joins what is finished (`joining`). `predict` takes documents through the pipeline; `work`
keeps what is finished; `storage` is where files lie.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import Summary, annotate
    from .tables import COLUMNS, relation_rows, write_table

__all__ = ["COLUMNS", "Summary", "annotate", "relation_rows", "write_table"]

# The command asks for the names of the formats alone: spaCy is imported when there is something to do.
_HOMES = {
    "annotate": ".run",
    "Summary": ".run",
    "COLUMNS": ".tables",
    "relation_rows": ".tables",
    "write_table": ".tables",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)
