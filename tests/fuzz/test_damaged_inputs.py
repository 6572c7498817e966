"""Damaged inputs end in an error that names the file, or in a document that is set aside: never in another error, never
in documents that are missing without a word, never in files elsewhere."""

import random
import re
import shutil
import zlib
from contextlib import contextmanager
from pathlib import Path

import pytest
import spacy
from annotate_files import REAL_CANDIDATES, block, make_nlp, pubtator, written
from damage import damage, damage_value
from encoders import make_tiny_encoder
from spacy.tokens import DocBin

from embre_spacy.annotate import annotate
from embre_spacy.annotate.units import UNIT_BYTES
from embre_spacy.errors import EmbreError, InputError
from embre_spacy.formats import Rejected, read, read_each, write
from embre_spacy.tokens import get_mentions
from embre_spacy.util import load_pipeline

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

N_FILES, N_USER_DATA, N_STATES, N_PIPELINES = 1_000, 1_500, 500, 1_000
# Where each document begins and ends in a file, in bytes.
DOCUMENTS = {
    ".xml": re.compile(rb"<document>.*?</document>", re.DOTALL),
    ".jsonl": re.compile(rb".+"),
    ".pubtator": re.compile(rb"(.+\n)+"),
}
FILES = ["dev.xml", "dev.json", "dev.jsonl", "dev.pubtator", "dev.pubtator.gz", "dev.spacy"]


class Faults(list):
    """What went wrong at places, so that a test tells of all of them."""

    @contextmanager
    def at(self, *place):
        try:
            yield
        except Exception as error:
            self.append(f"{place}: {type(error).__name__}: {str(error)[:500]}")

    def check(self):
        assert not self, f"{len(self)} faults:\n" + "\n".join(self[:30])


@pytest.fixture
def faults():
    faults = Faults()
    yield faults
    faults.check()


@pytest.fixture(scope="module")
def docs(sample_dir, tmp_path_factory):
    """Some documents of the sample corpus, and one with characters of several bytes."""
    path = tmp_path_factory.mktemp("docs") / "extra.pubtator"
    path.write_text(block(7), encoding="utf8")
    vocab = spacy.blank("en").vocab
    return [*list(read(sample_dir / "dev.xml", vocab))[:3], *read(path, vocab)]


def describe(doc):
    """What a document says, as far as all formats keep it."""
    relations = [(relation.pair, relation.type, relation.novelty) for relation in doc._.relations]
    return doc._.document_id, doc.text, tuple(sorted(get_mentions(doc))), tuple(sorted(relations))


def use(doc, path):
    """Do with a document what users do: look at it, find its candidates, write it and read it again."""
    doc._.candidates  # noqa: B018
    description = describe(doc)
    write([doc], path)
    assert len(list(read(path, doc.vocab, on_anomalies=lambda line: None))) == 1
    return description


def read_damaged(path, vocab, output):
    """What came of the documents of a file: descriptions of those that were read, how many were set aside, and whether
    there was an error."""
    descriptions, n_rejected = [], 0
    try:
        for doc in read_each(path, vocab):
            if isinstance(doc, Rejected):
                assert doc.cause and doc.file == str(path)
                n_rejected += 1
                continue
            try:
                descriptions.append(use(doc, output))
            except InputError as error:
                # What a format cannot hold is refused by it.
                assert str(error).strip()
                n_rejected += 1
    except InputError as error:
        assert error.file == str(path) and error.cause
        return descriptions, n_rejected, True
    return descriptions, n_rejected, False


def name_outcome(descriptions, n_rejected, is_refused):
    """The outcome of what `read_damaged` returned."""
    return "refused" if is_refused or not descriptions else "set aside" if n_rejected else "used"


def find_untouched(suffix, data, docs, damaged):
    """The documents of a file whose bytes are as they were. Nobody can tell what stood where a file was cut off."""
    if suffix not in DOCUMENTS:
        return []
    ranges = [match.span() for match in DOCUMENTS[suffix].finditer(data)]
    assert len(ranges) == len(docs)
    return [doc for doc, (start, end) in zip(docs, ranges) if end <= damaged.start or start >= damaged.end]


@pytest.mark.parametrize("name", FILES)
def test_files(name, docs, counts, faults, tmp_path):
    path, outputs = tmp_path / name, [tmp_path / f"out{suffix}" for suffix in (".xml", ".json", ".pubtator", ".spacy")]
    write(docs, path)
    data = path.read_bytes()
    originals = [describe(doc) for doc in read(path, docs[0].vocab)]
    rng = random.Random(name)
    count = counts(name.removeprefix("dev"))
    for place in range(N_FILES):
        damaged = damage(data, rng)
        path.write_bytes(damaged.data)
        with faults.at(place, damaged.describe(data)):
            descriptions, n_rejected, is_refused = read_damaged(path, docs[0].vocab, rng.choice(outputs))
            count[name_outcome(descriptions, n_rejected, is_refused)] += 1
            if not n_rejected and not is_refused:
                untouched = find_untouched(path.suffix, data, originals, damaged)
                assert len(descriptions) == len(originals) or damaged.end == len(data)
                assert not [doc for doc in untouched if doc not in descriptions]
    assert set(tmp_path.iterdir()) <= {path, *outputs}


def test_the_content_of_docbins(docs, counts, faults, tmp_path):
    path, output = tmp_path / "dev.spacy", tmp_path / "out.xml"
    content = zlib.decompress(DocBin(docs=docs, store_user_data=True).to_bytes())
    rng = random.Random("docbin")
    count = counts(".spacy, packed again")
    for place in range(N_FILES):
        damaged = damage(content, rng)
        path.write_bytes(zlib.compress(damaged.data))
        with faults.at(place, damaged.describe(content)):
            descriptions, n_rejected, is_refused = read_damaged(path, docs[0].vocab, output)
            count[name_outcome(descriptions, n_rejected, is_refused)] += 1
            assert is_refused or n_rejected or len(descriptions) == len(docs)


def test_user_data(docs, counts, faults, tmp_path):
    path, outputs = tmp_path / "dev.spacy", [tmp_path / f"out{suffix}" for suffix in (".xml", ".json", ".pubtator")]
    rng = random.Random("user data")
    count = counts("user data of a DocBin")
    for place in range(N_USER_DATA):
        doc = rng.choice(docs[:-1]).copy()
        ours = {key: value for key, value in doc.user_data.items() if isinstance(key, str)}
        for key in ours:
            del doc.user_data[key]
        damaged = damage_value(ours, rng)
        doc.user_data.update(damaged if isinstance(damaged, dict) else {})
        path.write_bytes(DocBin(docs=[doc, docs[-1]], store_user_data=True).to_bytes())
        with faults.at(place, doc.user_data):
            descriptions, n_rejected, is_refused = read_damaged(path, docs[0].vocab, rng.choice(outputs))
            count[name_outcome(descriptions, n_rejected, is_refused)] += 1
            assert is_refused or len(descriptions) + n_rejected == 2
            assert is_refused or describe(docs[-1]) in descriptions


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a pipeline that relates most candidates."""
    folder = tmp_path_factory.mktemp("model")
    make_nlp(make_tiny_encoder(folder / "encoder"), REAL_CANDIDATES).to_disk(folder / "pipeline")
    return folder / "pipeline"


class Interrupted(Exception):
    """Stands for what ends a run."""


def test_states_of_runs(model, counts, faults, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(UNIT_BYTES, "cpu", (2_000, 2_000))
    Path("in.pubtator").write_text(pubtator(range(30)), encoding="utf8")

    def run(**options):
        return annotate(str(model), ["in.pubtator"], "out.xml", **options)

    def interrupt(progress):
        if progress.documents > 20:
            raise Interrupted

    run()
    expected = written(Path("out.xml"))
    Path("out.xml").unlink()
    with pytest.raises(Interrupted):
        run(on_progress=interrupt)
    parts, whole = Path("out.xml.parts"), Path("whole")
    parts.rename(whole)
    names = {path.name for path in tmp_path.iterdir()} | {"out.xml"}
    rng = random.Random("state")
    count = counts("state of a run")
    for place in range(N_STATES):
        shutil.copytree(whole, parts)
        file = rng.choice(sorted(path for path in parts.iterdir() if path.is_file()))
        data = file.read_bytes()
        damaged = damage(data, rng)
        file.write_bytes(damaged.data)
        with faults.at(place, file.name, damaged.describe(data)):
            try:
                run()
                count["used"] += 1
            except EmbreError as error:
                assert "out.xml.parts" in str(error)
                count["refused"] += 1
                run(overwrite=True)
            assert written(Path("out.xml")) == expected
        Path("out.xml").unlink(missing_ok=True)
        shutil.rmtree(parts, ignore_errors=True)
        assert {path.name for path in tmp_path.iterdir()} <= names


def test_saved_pipelines(model, docs, counts, faults, tmp_path):
    folder = tmp_path / "pipeline"
    files = sorted(path.relative_to(model) for path in model.rglob("*") if path.is_file() and path.stat().st_size)
    rng = random.Random("pipeline")
    count = counts("saved pipeline")
    before = set(tmp_path.parent.iterdir())
    for place in range(N_PIPELINES):
        shutil.copytree(model, folder)
        file = folder / rng.choice(files)
        data = file.read_bytes()
        damaged = damage(data, rng)
        file.write_bytes(damaged.data)
        with faults.at(place, str(file.relative_to(folder)), damaged.describe(data)):
            try:
                nlp = load_pipeline(folder)
                for doc in nlp.pipe(doc.copy() for doc in docs):
                    doc._.relations  # noqa: B018
                count["used"] += 1
            except EmbreError as error:
                assert str(folder) in str(error) and not str(error).endswith("()")
                count["refused"] += 1
        shutil.rmtree(folder)
        assert list(tmp_path.iterdir()) == [] and set(tmp_path.parent.iterdir()) == before
