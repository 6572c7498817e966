"""Documents by their PMIDs, of a local server that answers as PubTator3's does."""

import json

import pytest
from commands import run
from pubtator3_service import export, serve

from embre_spacy.errors import InputError
from embre_spacy.formats import Rejected, read, read_each
from embre_spacy.formats.pubtator3 import INTERVAL_SECONDS, fetch


@pytest.fixture
def service(tmp_path, monkeypatch):
    with serve(tmp_path / "cache", monkeypatch) as service:
        yield service


def outcome(query, vocab):
    return [
        (one.document, one.number, one.cause) if isinstance(one, Rejected) else one._.document_id
        for one in read_each(query, vocab)
    ]


ABSENT = "PubTator3 has no such document"


def test_documents_come_in_the_order_of_their_pmids_and_are_kept(service, tmp_path, vocab):
    docs = list(read("pubtator3:12,7,007,3", vocab, strict=True))
    assert [doc._.document_id for doc in docs] == ["12", "7", "3"] and service.asked == [["12", "7", "3"]]
    assert docs[0].text == "Aspirin lowers fever It binds PTGS2 in 12 mice."
    assert [(ent.text, ent.label_, ent.kb_id_) for ent in docs[0].ents] == [("Aspirin", "Chemical", "MESH:D001241")]
    assert [doc._.document_id for doc in read("pubtator3:3,5,12", vocab)] == ["3", "5", "12"]
    assert service.asked[1:] == [["5"]]
    service.stop()
    assert outcome("pubtator3:5,7", vocab) == ["5", "7"]


def test_what_the_service_sends_goes_out_again(service, tmp_path):
    run("convert", "pubtator3:12,7", tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == {"PubTator3": [export("12"), export("7")]}


def test_a_hundred_at_a_time_from_a_file_and_no_more_than_three_a_second(tmp_path, monkeypatch):
    pmids = [str(number) for number in range(1, 251)]
    text = ",".join(pmids[:9]) + " \r\n" + "\n".join(pmids[9:])
    (tmp_path / "pmids.txt").write_text(f"\ufeff{text}", encoding="utf-8")
    with serve(tmp_path / "cache", monkeypatch, interval=INTERVAL_SECONDS) as service:
        found = list(fetch(f"pubtator3:@{tmp_path}/pmids.txt"))
    assert found == [f"{tmp_path}/cache/pubtator3/{pmid}.json" for pmid in pmids]
    assert [len(asked) for asked in service.asked] == [100, 100, 50]
    assert all(later - earlier > 1 / 3 for earlier, later in zip(service.times, service.times[1:]))


@pytest.mark.parametrize("refuses", [False, True])
def test_a_document_that_it_does_not_have_is_set_aside(refuses, service, vocab):
    service.absent, service.refuses = {"8", "9"}, refuses
    expected = ["1", ("8", 2, ABSENT), "3", ("9", 4, ABSENT)]
    assert outcome("pubtator3:1,8,3,9", vocab) == expected
    # It may have it later.
    service.absent = {"9"}
    assert outcome("pubtator3:1,8,3,9", vocab) == ["1", "8", "3", ("9", 4, ABSENT)]
    with pytest.raises(InputError, match=f"^pubtator3:9: document 9: {ABSENT}$"):
        list(read("pubtator3:9", vocab))


@pytest.mark.parametrize("failure", [(503, b""), (429, b"slow down"), (200, b'{"PubTator3": [{"id"'), (200, b"")])
def test_what_may_pass_is_tried_again(failure, service, vocab):
    service.failures = [failure] * 2
    assert outcome("pubtator3:1,2", vocab) == ["1", "2"]
    assert len(service.asked) == 3


def test_a_service_that_stays_away_is_an_error_that_names_what_did_not_come(service, tmp_path, vocab):
    assert outcome("pubtator3:2", vocab) == ["2"]
    service.failures = [(500, b"")] * 5
    found = read_each("pubtator3:1,2,3", vocab)
    with pytest.raises(
        InputError, match=r"^pubtator3:1,2,3: 2 of 3 documents did not come from PubTator3 \(HTTP 500\): 1, 3$"
    ):
        list(found)
    service.stop()
    result = run("convert", "pubtator3:1,2", tmp_path / "out.xml", code=1)
    cause = "1 of 2 documents did not come from PubTator3 (ConnectionError): 1"
    assert result.stderr == f"Error: pubtator3:1,2: {cause}\n" and not (tmp_path / "out.xml").exists()


def test_what_is_no_pmid_is_an_error(service, tmp_path, vocab):
    (tmp_path / "pmids.txt").write_text("12\nPMC13\n")
    for query, cause in [
        ("pubtator3:12,PMC13", "pubtator3:12,PMC13: 'PMC13' is not a PMID"),
        ("pubtator3:", "pubtator3:: it names no PMID"),
        ("pubtator3:0", "pubtator3:0: '0' is not a PMID"),
        (f"pubtator3:@{tmp_path}/pmids.txt", f"{tmp_path}/pmids.txt: 'PMC13' is not a PMID"),
        (f"pubtator3:@{tmp_path}/none.txt", f"{tmp_path}/none.txt: no such file"),
    ]:
        with pytest.raises(InputError) as error:
            list(read(query, vocab))
        assert str(error.value).startswith(cause)
    assert service.asked == []


def test_pmids_of_a_command(service, tmp_path):
    (tmp_path / "pmids.txt").write_text("12\n8\n")
    service.absent = {"8"}
    run("convert", tmp_path / "out.jsonl", "--pmids", tmp_path / "pmids.txt", code=3)
    assert json.loads((tmp_path / "out.jsonl").read_text())["id"] == "12"
    reject = json.loads((tmp_path / "out.jsonl.rejects.jsonl").read_text())
    assert reject == {"file": f"pubtator3:@{tmp_path}/pmids.txt", "document": "8", "number": 2, "cause": ABSENT}
    assert "name an INPUT, or a file of PMIDs by --pmids" in run("convert", tmp_path / "b.xml", code=1).stderr
