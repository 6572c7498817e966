"""Relations for any number of documents: files in, files or tables out, also after a run was killed.

`run` leads: it finds the inputs and cuts them into `units`, has an engine (`engines`: this process, workers, or Ray)
take each unit through the five `stages`, and joins the finished units (`state`) to `outputs`.
"""

from .outputs import COLUMNS, relation_rows, write_table
from .run import Summary, annotate
