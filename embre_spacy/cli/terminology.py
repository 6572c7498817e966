"""`terminology build`: names and identifiers for `embre_concepts`, of what people download or have."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer

from .app import app, expand_patterns, note, report_errors, say

terminology = typer.Typer(help="Names of concepts with their identifiers.", no_args_is_help=True)
app.add_typer(terminology, name="terminology")


@terminology.command("build", no_args_is_help=True)
def build_command(
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The file to write.")],
    sources: Annotated[List[Path], typer.Argument(metavar="SOURCE", help="Files, plain or .gz, or patterns.")],
    taxa: Annotated[
        Optional[List[str]], typer.Option("--taxon", help="Take the genes of this taxon (9606), and of others named.")
    ] = None,
    least: Annotated[float, typer.Option(help="Leave out names of less weight; a mention in documents is 1.")] = 0.0,
    longest: Annotated[int, typer.Option(help="Leave out names of more characters; 0 for none.")] = 0,
) -> None:
    """Make **one file** of the names that files have, by what they hold: MeSH (desc2026.xml, supp2026.xml), NCBI Gene
    (gene_info), NCBI Taxonomy (names.dmp), Cellosaurus (cellosaurus.txt), a table with the columns type, identifier,
    name, and if you like taxon and weight (.tsv), documents with mentions in any format that `convert` reads, or what
    this command has made.

    Names are compared without case, accents, hyphens and spaces. What several sources say of one name adds up.

    Example: python -m embre_spacy terminology build names.sqlite desc2026.xml Homo_sapiens.gene_info.gz
    """
    with report_errors():
        from ..terminology.build import build_terminology

        counts = build_terminology(expand_patterns(sources), output, taxa=taxa or (), least=least, longest=longest)
        total = counts.pop("")
        for source, count in counts.items():
            note(f"{source}: {count} names")
        say(f"{output}: {total} names")
