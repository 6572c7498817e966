"""Building a terminology of what people download or have: each kind of file is told by how it begins."""

import shutil
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Collection, Dict, Iterable, Iterator, Sequence

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import InputError, add_file_to_errors
from ..files import Location, open_input, open_output, strip_gz
from ..formats import read
from ..labels import GENE, TAXON, entity_type
from ..tokens import get_mentions, normalize_identifier, split_identifiers
from .sources import READERS, read_table
from .store import Name, Terminology, write_names

_HEAD = 4096
_SQLITE = b"SQLite format 3\0"


def build_terminology(
    sources: Sequence[Location], output: Location, *, taxa: Collection[str] = (), least: float = 0.0, longest: int = 0
) -> Dict[str, int]:
    """Write a terminology of files.

    sources (Sequence[Union[str, Path]]): The files, each plain or ".gz": MeSH descriptors and supplementary records
        (XML), NCBI's gene_info, NCBI Taxonomy's names.dmp, Cellosaurus (cellosaurus.txt), a table with the columns
        type, identifier and name (.tsv), a terminology, or documents with mentions in any format that `read` reads.
    output (Union[str, Path]): The file to write. It appears when it is complete.
    taxa (Collection[str]): The numbers of the taxa whose genes are taken; all if there is none.
    least (float): The least weight of the names that are kept: documents count each mention as one.
    longest (int): The most characters of the names that are kept; any number if 0.
    RETURNS (Dict[str, int]): How many names each file gave, and the number of different names under "".
    RAISES (InputError): If a file is none of these, or damaged.
    """
    counts: Counter = Counter()

    def iter_names() -> Iterator[Name]:
        for source in map(str, sources):
            with add_file_to_errors(source):
                for name in read_names(source):
                    is_of_taxa = not taxa or not name.taxon or name.taxon.lstrip("?") in taxa
                    if is_of_taxa and not 0 < longest < len(name.name):
                        counts[source] += 1
                        yield name
                if not counts[source]:
                    raise InputError("it gives no name")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "names"
        total = write_names(path, iter_names(), least)
        with open_output(output) as file, path.open("rb") as written:
            shutil.copyfileobj(written, file)
    return {**counts, "": total}


def read_names(source: Location) -> Iterator[Name]:
    """Yield the names of a file of any kind that `build_terminology` takes. RAISES (InputError): If it is none."""
    with open_input(source) as file:
        head = file.peek(_HEAD)[:_HEAD]  # type: ignore[attr-defined]
        reader = next((reader for sign, reader in READERS.items() if sign in head), None)
        if head.startswith(_SQLITE):
            yield from Terminology(file.read())
        elif reader or strip_gz(str(source)).lower().endswith(".tsv"):
            yield from (reader or read_table)(file)
        else:
            yield from collect_names(read(str(source), Vocab(), on_anomalies=lambda line: None))


def collect_names(docs: Iterable[Doc]) -> Iterator[Name]:
    """Yield the names of mentions that have one identifier, each with how often documents mention it. A gene is guessed
    to belong to the taxon that its documents mention most."""
    names: Counter = Counter()
    taxa: Dict[str, Counter] = defaultdict(Counter)
    for doc in docs:
        text = doc.text
        of_doc: Dict[str, Counter] = defaultdict(Counter)
        for mention in get_mentions(doc):
            type, identifiers = entity_type(mention.label), split_identifiers(mention.identifier)
            if len(identifiers) == 1:
                key = normalize_identifier(identifiers[0])
                names[type, text[mention.start : mention.end], key] += 1
                of_doc[type][key] += 1
        for gene in of_doc[GENE]:
            taxa[gene].update(of_doc[TAXON])
    for (type, name, identifier), count in names.items():
        likely = taxa[identifier].most_common(1) if type == GENE else []
        yield Name(type, name, identifier, f"?{likely[0][0]}" if likely else "", float(count))
