"""BioRED's labels, and what other resources call the same things. No other module names a type of BioRED.

Source: Luo et al. 2022, "BioRED: a rich biomedical relation extraction dataset", and its annotation guideline.
"""

from typing import Dict, Tuple

ENTITY_TYPES: Tuple[str, ...] = (
    "GeneOrGeneProduct",
    "DiseaseOrPhenotypicFeature",
    "ChemicalEntity",
    "SequenceVariant",
    "OrganismTaxon",
    "CellLine",
)

RELATION_TYPES: Tuple[str, ...] = (
    "Association",
    "Positive_Correlation",
    "Negative_Correlation",
    "Bind",
    "Cotreatment",
    "Comparison",
    "Drug_Interaction",
    "Conversion",
)

NOVEL = "Novel"
NOT_NOVEL = "No"
NOVELTY_LABELS: Tuple[str, ...] = (NOVEL, NOT_NOVEL)

# The eight pairs of entity types between which BioRED annotates relations (its guideline, table of relation types).
TYPE_PAIRS: Tuple[Tuple[str, str], ...] = (
    ("DiseaseOrPhenotypicFeature", "GeneOrGeneProduct"),
    ("DiseaseOrPhenotypicFeature", "SequenceVariant"),
    ("ChemicalEntity", "DiseaseOrPhenotypicFeature"),
    ("GeneOrGeneProduct", "GeneOrGeneProduct"),
    ("ChemicalEntity", "GeneOrGeneProduct"),
    ("ChemicalEntity", "ChemicalEntity"),
    ("ChemicalEntity", "SequenceVariant"),
    ("SequenceVariant", "SequenceVariant"),
)

# Pairs that the official evaluation leaves out on both sides.
UNSCORED_TYPE_PAIRS: Tuple[Tuple[str, str], ...] = (
    ("DiseaseOrPhenotypicFeature", "DiseaseOrPhenotypicFeature"),
    ("GeneOrGeneProduct", "SequenceVariant"),
    ("GeneOrGeneProduct", "OrganismTaxon"),
)

# What PubTator, PubTator3 and the corpora behind them call the same entity types. Keys are lower case.
_ALIASES: Dict[str, str] = {
    "gene": "GeneOrGeneProduct",
    "protein": "GeneOrGeneProduct",
    "familyname": "GeneOrGeneProduct",
    "domainmotif": "GeneOrGeneProduct",
    "gene_or_gene_product": "GeneOrGeneProduct",
    "disease": "DiseaseOrPhenotypicFeature",
    "specificdisease": "DiseaseOrPhenotypicFeature",
    "diseaseclass": "DiseaseOrPhenotypicFeature",
    "compositemention": "DiseaseOrPhenotypicFeature",
    "modifier": "DiseaseOrPhenotypicFeature",
    "phenotype": "DiseaseOrPhenotypicFeature",
    "chemical": "ChemicalEntity",
    "drug": "ChemicalEntity",
    "simple_chemical": "ChemicalEntity",
    "variant": "SequenceVariant",
    "mutation": "SequenceVariant",
    "dnamutation": "SequenceVariant",
    "proteinmutation": "SequenceVariant",
    "othermutation": "SequenceVariant",
    "dnaallele": "SequenceVariant",
    "proteinallele": "SequenceVariant",
    "acidchange": "SequenceVariant",
    "dnaacidchange": "SequenceVariant",
    "proteinacidchange": "SequenceVariant",
    "snp": "SequenceVariant",
    "copynumbervariant": "SequenceVariant",
    "genomicregion": "SequenceVariant",
    "refseq": "SequenceVariant",
    "species": "OrganismTaxon",
    "organism": "OrganismTaxon",
    "taxon": "OrganismTaxon",
    "cellline": "CellLine",
    "cell_line": "CellLine",
    **{name.lower(): name for name in ENTITY_TYPES},
}


def entity_type(label: str) -> str:
    """BioRED's name of an entity type.

    label (str): The label of a mention, as its file or its recognizer has it ("Gene", "DISEASE", "ProteinMutation").
    RETURNS (str): The type of BioRED that it stands for, or the label itself if BioRED has no such type.
    """
    return _ALIASES.get(label.strip().lower(), label.strip())
