"""BioRED's entity types, and what other resources call the same things. No other module names a type of BioRED.

Source: Luo et al. 2022, "BioRED: a rich biomedical relation extraction dataset", and its annotation guideline.
"""

from typing import Dict, Tuple

# BioRED's entity types, and what PubTator, PubTator3 and the corpora behind them call the same, in lower case.
_OTHER_NAMES: Dict[str, str] = {
    "GeneOrGeneProduct": "gene protein familyname domainmotif gene_or_gene_product",
    "DiseaseOrPhenotypicFeature": "disease specificdisease diseaseclass compositemention modifier phenotype",
    "ChemicalEntity": "chemical drug simple_chemical",
    "SequenceVariant": "variant mutation dnamutation proteinmutation othermutation dnaallele proteinallele acidchange "
    "dnaacidchange proteinacidchange snp copynumbervariant genomicregion refseq",
    "OrganismTaxon": "species organism taxon",
    "CellLine": "cell_line",
}
_TYPES: Dict[str, str] = {name: type for type, names in _OTHER_NAMES.items() for name in (type.lower(), *names.split())}
ENTITY_TYPES: Tuple[str, ...] = tuple(_OTHER_NAMES)
GENE, DISEASE, CHEMICAL, VARIANT, TAXON, CELL_LINE = ENTITY_TYPES

# The eight pairs of entity types between which BioRED annotates relations (its guideline, table of relation types).
TYPE_PAIRS: Tuple[Tuple[str, str], ...] = (
    (DISEASE, GENE),
    (DISEASE, VARIANT),
    (CHEMICAL, DISEASE),
    (GENE, GENE),
    (CHEMICAL, GENE),
    (CHEMICAL, CHEMICAL),
    (CHEMICAL, VARIANT),
    (VARIANT, VARIANT),
)

# Pairs that the official evaluation leaves out on both sides.
UNSCORED_TYPE_PAIRS: Tuple[Tuple[str, str], ...] = ((DISEASE, DISEASE), (GENE, VARIANT), (GENE, TAXON))


def entity_type(label: str) -> str:
    """BioRED's name of an entity type.

    label (str): The label of a mention, as its file or its recognizer has it ("Gene", "DISEASE", "ProteinMutation").
    RETURNS (str): The type of BioRED that it stands for, or the label itself if BioRED has no such type.
    """
    return _TYPES.get(label.strip().lower(), label.strip())
