"""The stages: what the pipeline says, what it fails on, and what is forgotten."""

import json

import pytest
import spacy
from annotate_files import block, no_space_for, pubtator
from spacy.language import Language
from spacy.tokens import DocBin

from embre_spacy.annotate.stages import AnnotateOptions, Stages
from embre_spacy.annotate.state import RunState
from embre_spacy.annotate.units import find_inputs, split_units
from embre_spacy.errors import EmbreError, InputError
from embre_spacy.formats import read, write

POISON = "Aspirin causes gastric ulcer POISON"


def rejects_of(path):
    lines = path.with_name(f"{path.name}.rejects.jsonl").read_text().splitlines()
    return [(one["document"], one["number"], one["cause"]) for one in map(json.loads, lines)]


@pytest.mark.parametrize("n_process", [1, 2])
def test_a_document_that_the_pipeline_fails_on_takes_no_other_with_it(
    n_process, run, fragile_model, installed_candidates, small_units, tmp_path
):
    blocks = [block(number, title=POISON) if number in (3, 9) else block(number) for number in range(12)]
    (tmp_path / "a.pubtator").write_text("\n".join(blocks))
    summary = run("a.pubtator", "out.jsonl", model=fragile_model, batch_size=4, n_process=n_process)
    assert (summary.documents, summary.rejected) == (10, 2)
    cause = "RuntimeError: the document is poisonous"
    assert rejects_of(tmp_path / "out.jsonl") == [("3", 4, cause), ("9", 10, cause)]
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [one["id"] for one in found] == [str(number) for number in range(12) if number not in (3, 9)]
    # Not one that only shared a batch with it has lost its prediction.
    assert all(relation["infons"]["type"] != "Gold" for one in found for relation in one["relations"])


def test_a_pipeline_that_fails_on_everything_is_an_error(run, fragile_model, tmp_path):
    text = "\n".join(block(number, title=POISON) for number in range(101))
    (tmp_path / "a.pubtator").write_text(text)
    with pytest.raises(EmbreError, match="failed on 100 documents in a row; the last error was RuntimeError"):
        run("a.pubtator", "out.csv", model=fragile_model)
    assert not (tmp_path / "out.csv").exists()


@Language.component("test_before")
def rename_first_mention(doc):
    """What a component before `embre_relation` does to documents: the first mention is of another concept."""
    if "POISON" in doc.text:
        raise ValueError("poisonous")
    first, *others = doc.ents
    doc.set_ents([spacy.tokens.Span(doc, first.start, first.end, first.label_, kb_id="D999"), *others])
    return doc


class Dropping:
    """Sees the relations, and leaves out the documents that it fails on, as an error handler may."""

    def __call__(self, doc):
        raise NotImplementedError

    def pipe(self, stream, *, batch_size):
        for doc in stream:
            if "UNWANTED" not in doc.text:
                doc.user_data["n_relations"] = len(doc._.relations)
                yield doc


@Language.factory("test_after")
def make_dropping(nlp, name):
    return Dropping()


def test_the_other_components_run_as_they_do_in_a_pipe(model, run, tmp_path):
    nlp = spacy.load(model)
    nlp.add_pipe("test_before", first=True)
    nlp.add_pipe("test_after")
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "good.pubtator").write_text(pubtator(range(8)))
    bad = [block(90, title=POISON), pubtator(range(4)), block(91, title="Aspirin causes UNWANTED"), block(4)]
    (tmp_path / "a.pubtator").write_text("\n".join(bad) + "\n" + pubtator(range(5, 8)))
    docs = list(nlp.pipe(read(tmp_path / "good.pubtator", nlp.vocab)))
    assert all("D999" in relation.pair for doc in docs for relation in doc._.relations[:1])
    write(docs, tmp_path / "expected.spacy")
    assert run("a.pubtator", "out.spacy", model=str(tmp_path / "model"), batch_size=3).documents == 8
    assert (tmp_path / "out.spacy").read_bytes() == (tmp_path / "expected.spacy").read_bytes()
    assert all("n_relations" in doc.user_data for doc in DocBin().from_disk(tmp_path / "out.spacy").get_docs(nlp.vocab))
    assert rejects_of(tmp_path / "out.spacy") == [
        ("90", 1, "ValueError: poisonous"),
        ("91", 6, "EmbreError: a component returned more or fewer documents than it was given"),
    ]


def make_stages(model, work, **options):
    state = RunState(str(work))
    state.begin({})
    return Stages(AnnotateOptions(model, "", "relations-csv", str(work), state.run, **options))


def test_error_handlers_of_components_are_left_alone(fragile_model, tmp_path):
    stages = make_stages(fragile_model, tmp_path / "work")
    calls = []

    def handler(name, component, docs, error):
        calls.append(error)

    stages.component.set_error_handler(handler)
    (tmp_path / "a.pubtator").write_text(block(1) + "\n" + block(2, title=POISON))
    (unit,) = split_units(find_inputs([str(tmp_path / "a.pubtator")]), 2**20)
    assert stages.annotate_unit(unit) == 2
    assert stages.component.get_error_handler() is handler and stages.nlp.default_error_handler is not handler


# All documents of a DocBin need the strings that its first brings.
@pytest.mark.parametrize("suffix", ["pubtator", "spacy"])
def test_the_vocabulary_does_not_grow_with_the_corpus(suffix, model, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(200)))
    write(read(tmp_path / "a.pubtator", spacy.blank("en").vocab), tmp_path / "a.spacy")
    stages = make_stages(model, tmp_path / "work")
    before = len(stages.nlp.vocab.strings)
    for unit in split_units(find_inputs([str(tmp_path / f"a.{suffix}")]), 10_000):
        stages.annotate_unit(unit)
    # Each document has words of its own.
    assert len(stages.nlp.vocab.strings) < before + 100


def test_chunks_do_not_depend_on_where_the_run_began(model, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(100)))
    (tmp_path / "b.pubtator").write_text(pubtator(range(100, 130)))
    units = split_units(find_inputs([str(tmp_path / "a.pubtator"), str(tmp_path / "b.pubtator")]), 10_000)
    stages = make_stages(model, tmp_path / "work", batch_size=16)
    sizes = [[chunk.n_read for chunk in stages.iter_chunks(unit)] for unit in units]
    assert all(size == 16 for of_unit in sizes for size in of_unit[:-1]) and sum(map(sum, sizes)) == 130
    assert sizes[1:] == [[chunk.n_read for chunk in stages.iter_chunks(unit)] for unit in units[1:]]


def test_an_id_that_is_made_up_is_not_that_of_another_document(run, tmp_path):
    docs = [spacy.blank("en")(text) for text in ("no id", "id of the first", "no id again")]
    docs[1]._.document_id = "notes-1"
    with (tmp_path / "notes.spacy").open("wb") as file:
        file.write(DocBin(docs=docs, store_user_data=True).to_bytes())
    assert run("notes.spacy", "out.jsonl").rejected == 0
    found = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found == ["notes-1.2", "notes-1", "notes-3"]


@Language.component("test_hungry")
def be_hungry(doc):
    """What takes more memory than there is, for some documents alone and for all of them together."""
    if "POISON" in doc.text:
        raise MemoryError
    return doc


def test_missing_memory_is_no_fault_of_a_document(model, run, tmp_path):
    nlp = spacy.load(model)
    nlp.add_pipe("test_hungry", first=True)
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "a.pubtator").write_text("\n".join([block(1), block(2, title=POISON)]))
    with pytest.raises(EmbreError, match="document 2: there is not enough memory for it"):
        run("a.pubtator", "out.csv", model=str(tmp_path / "model"))
    assert not (tmp_path / "out.csv").exists() and not (tmp_path / "out.csv.rejects.jsonl").exists()


def test_chunks_that_there_is_no_space_for_name_their_file(model, tmp_path):
    (tmp_path / "a.pubtator").write_text(pubtator(range(40)))
    (unit,) = split_units(find_inputs([str(tmp_path / "a.pubtator")]), 2**20)
    stages = make_stages(model, tmp_path / "work")
    with pytest.raises(InputError) as error, no_space_for(10_000):
        stages.save_chunks(unit, str(tmp_path / "chunks"))
    assert str(error.value) == f"{tmp_path}/chunks: file too large"
