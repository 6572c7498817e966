"""`terminology build` says what it made, and what is wrong."""

import pytest
from commands import run

from embre_spacy.terminology import Terminology

TABLE = "type\tidentifier\tname\ttaxon\tweight\nGene\t1\tGLS9\t9606\t2\nGene\t2\tGls9\t10090\t1\n"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "names.tsv"
    path.write_text(TABLE, encoding="utf8")
    return path


def test_names_of_files_become_one_file(tmp_path, table):
    result = run("terminology", "build", tmp_path / "names", tmp_path / "*.tsv")
    assert result.output.splitlines()[-1] == f"{tmp_path / 'names'}: 2 names"
    # What it made can become part of another.
    for options, identifiers in ((["--taxon", "10090"], ["2"]), (["--least", "2"], ["1"]), ([], ["1", "2"])):
        run("terminology", "build", tmp_path / "other", tmp_path / "names", *options)
        assert [
            term.identifier for term in Terminology(tmp_path / "other").find("gls 9", "GeneOrGeneProduct")
        ] == identifiers


def test_what_is_wrong_is_one_line(tmp_path, table):
    table.write_text(TABLE.replace("\t2\n", "\tmuch\n"), encoding="utf8")
    result = run("terminology", "build", tmp_path / "names", table, code=1)
    assert result.output == f"Error: {table}: line 2: the weight 'much' is not a number\n"
