"""`convert` and `prepare`: documents from one format to another, and the splits of a corpus to DocBin."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, Iterator, List, Optional

import typer
from rich.console import Console

from ..errors import InputError
from ..files import is_special
from .app import Format, InputFormat, Pmids, add_pmids, app, note, report_errors, say


@app.command()
def convert(
    inputs: Annotated[
        Optional[List[str]],
        typer.Argument(metavar="INPUT", help="Files, or pubtator3:PMID,... for documents of PubTator3, in this order."),
    ] = None,
    *,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The file to write.")],
    from_: InputFormat = None,
    pmids: Pmids = None,
    to: Annotated[
        Optional[Format], typer.Option("--to", help="The format of the output, if its suffix is not to decide.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse what is otherwise kept as it came and reported, such as annotations whose text differs from "
            "the characters at their offsets, and relations that name an identifier which no annotation has.",
        ),
    ] = False,
) -> None:
    """Convert documents with their mentions and relations between **BioC XML**, **BioC JSON** (also as PubTator3
    exports it, and one document per line), **PubTator** and spaCy's **DocBin**.

    Formats go by suffix: .xml, .json, .jsonl or .ndjson, .pubtator, .spacy; all but the last may be gzipped (.xml.gz).
    **Texts** come in, too: .txt, .csv and .tsv with the columns id, title and text or abstract, objects with these in
    .json and .jsonl, PubMed XML, JATS (.nxml), and documents of PubTator3's service.

    All comes out as it went in, as far as the output has a place for it. BioC XML has only text in infons: other values
    become JSON text. PubTator has a title and an abstract (the first passage, and all others), no infons, and a line
    for each piece of a discontinuous mention.

    A document that cannot be used, or has an id that one before it has, is **set aside** in OUTPUT.rejects.jsonl with
    its file, id, number and cause; with `--strict`, or if OUTPUT is a device or a pipe, it is an error. Exit code: 0 if
    all documents came out, 3 if some were set aside, 1 for an error.

    Example: python -m embre_spacy convert Train.BioC.XML Dev.PubTator all.spacy
    """
    with report_errors():
        from spacy.lang.en import English

        from ..formats import write
        from ..formats.writing import write_rejects

        rejects = f"{output}.rejects.jsonl"
        with Console(stderr=True).status("no document yet") as status:
            # Beside a device there is no place for rejects.
            sources = _Sources(add_pmids(inputs, pmids), status.update, refuses=strict or is_special(output))
            docs = sources.iter_docs(strict, vocab=English().vocab, format=from_ and from_.value)
            try:
                write(
                    docs, output, format=to and to.value, on_anomalies=sources.notes.append, on_error=sources.leave_out
                )
            except InputError:
                if sources.counts["documents"] or not sources.rejected:
                    raise
                if len(sources.rejected) == 1:
                    raise sources.rejected[0].as_error() from None
                write_rejects(sources.rejected, rejects)
                raise InputError(f"no document came out: see {rejects}", file=str(output)) from None
        if not sources.refuses:
            write_rejects(sources.rejected, rejects)
        for line in sources.notes:
            note(f"Note: {line}")
        say(f"{output}: {', '.join(f'{name} {count}' for name, count in sources.counts.items())}")
    if sources.rejected:
        note(f"{rejects}: {len(sources.rejected)} documents were set aside")
        raise typer.Exit(3)


class _Sources:
    """The documents of files, counted. What cannot be used is set aside, or, if `refuses`, an error."""

    def __init__(self, paths: List[str], show: Callable[[str], None], refuses: bool) -> None:
        self.refuses = refuses
        self.counts = Counter(documents=0, mentions=0, relations=0)
        self.rejected: List[Any] = []
        self.notes: List[str] = []
        self._paths = paths
        self._show = show
        # Where each document is from and what it has, by its place in memory, which it has until it is written.
        self._origins: Dict[int, Any] = {}

    def iter_docs(self, strict: bool, **options: Any) -> Iterator[Any]:
        """Yield the documents of all files, the first of each id."""
        from ..formats import Rejected, read_each
        from ..formats.record import Anomalies
        from ..tokens import get_document_id, get_mentions, get_relations

        first: Dict[str, int] = {}
        for index, path in enumerate(self._paths):
            anomalies = Anomalies(strict)
            for number, doc in enumerate(read_each(path, anomalies=anomalies, **options), 1):
                if isinstance(doc, Rejected):
                    self._set_aside(doc)
                    continue
                document = get_document_id(doc)
                origin = Rejected(path, document, number, "")
                if document and first.setdefault(document, index) != index:
                    other = self._paths[first[document]]
                    self._set_aside(origin._replace(cause=f"{other} has this document too"))
                    continue
                counts = Counter(documents=1, mentions=len(get_mentions(doc)), relations=len(get_relations(doc)))
                self._origins[id(doc)] = origin, counts
                self.counts.update(counts)
                self._show(f"{self.counts['documents']} documents")
                yield doc
            if anomalies:
                self.notes.append(f"{path}: {anomalies}")

    def leave_out(self, doc: Any, error: InputError) -> None:
        """Set aside a document that cannot be written."""
        origin, counts = self._origins[id(doc)]
        self.counts.subtract(counts)
        self._set_aside(origin._replace(document=error.document, cause=error.cause))

    def _set_aside(self, rejected: Any) -> None:
        if self.refuses:
            raise rejected.as_error()
        self.rejected.append(rejected)


@app.command("prepare")
def prepare_command(
    assets: Annotated[
        Path, typer.Argument(help="The folder of the corpus: files of splits, or a zip archive of them.")
    ],
    corpus: Annotated[Path, typer.Argument(help="The folder to write train.spacy, dev.spacy and test.spacy to.")],
    source: Annotated[
        str, typer.Option("--from", help="First copy the files of the splits from this folder into ASSETS.")
    ] = "",
) -> None:
    """Convert the train, dev and test splits of a corpus to DocBin and verify their counts.

    A split is the file whose name starts with its name, such as Train.BioC.XML; the test split may be absent. Or
    splits.json in ASSETS says of what the splits consist; counts.json there has the counts.
    """
    with report_errors():
        from ..splits import collect_files, prepare_corpus

        collect_files(assets, Path(source) if source else None)
        for line in prepare_corpus(assets, corpus):
            say(line)
