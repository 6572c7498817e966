"""PubMed XML and JATS."""

import gzip
import json
import tracemalloc
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embre_spacy.formats import Rejected, read, read_each, write

SETTINGS = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
HEAD = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN"
 "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">
"""


def citation(pmid, title, *abstract):
    """A citation as the baseline files have it. Parts of the abstract are XML, with a label before a bar."""
    parts = [part.rpartition("|")[::2] for part in abstract]
    texts = [
        f'<AbstractText Label="{label}">{text}</AbstractText>' if label else f"<AbstractText>{text}</AbstractText>"
        for label, text in parts
    ]
    return f"""<PubmedArticle>
  <MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="1">{pmid}</PMID>
    <Article PubModel="Print"><Journal><Title>A journal</Title></Journal><ArticleTitle>{title}</ArticleTitle>
      {f"<Abstract>{''.join(texts)}<CopyrightInformation>Nobody</CopyrightInformation></Abstract>" if texts else ""}
      <AuthorList><Author><LastName>Nobody</LastName></Author></AuthorList></Article>
    <OtherAbstract><AbstractText>Une autre langue.</AbstractText></OtherAbstract>
    <CommentsCorrectionsList><CommentsCorrections><PMID>99</PMID></CommentsCorrections></CommentsCorrectionsList>
  </MedlineCitation>
  <PubmedData><ArticleIdList><ArticleId IdType="pubmed">{pmid}</ArticleId></ArticleIdList></PubmedData>
</PubmedArticle>
"""


def article_set(*citations):
    end = "<DeleteCitation><PMID>5</PMID></DeleteCitation></PubmedArticleSet>"
    return f"{HEAD}<PubmedArticleSet>\n{''.join(citations)}{end}"


BOOK = """<PubmedBookArticle><BookDocument><PMID Version="1">20301295</PMID>
<Book><BookTitle>Genes</BookTitle></Book><ArticleTitle>CFTR</ArticleTitle>
<Abstract><AbstractText>A gene.</AbstractText></Abstract></BookDocument></PubmedBookArticle>"""
PUBMED = article_set(
    citation(
        1,
        "Aspirin <i>in vivo</i>: IC<sub>50</sub> &lt; 3&#xb5;M.",
        "BACKGROUND|It\n   binds.",
        "RESULTS|Fever &amp; pain fell.",
    ),
    citation(2, "[A title alone]."),
    citation(3, "  ", "An abstract<!-- no text --> alone."),
    BOOK,
)


def outcome(path, vocab, **options):
    return [
        (one.document, one.cause) if isinstance(one, Rejected) else (one._.document_id, one.text)
        for one in read_each(path, vocab, **options)
    ]


def save(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["a.xml", "pubmed25n0001.xml.gz", "a.pubmed"])
def test_citations(name, tmp_path, vocab):
    path = save(tmp_path / name, PUBMED)
    docs = list(read(path, vocab, format=None if ".xml" in name else "pubmed-xml", strict=True))
    assert [(doc._.document_id, doc.text) for doc in docs] == [
        ("1", "Aspirin in vivo: IC50 < 3µM. BACKGROUND: It binds. RESULTS: Fever & pain fell."),
        ("2", "[A title alone]."),
        ("3", "An abstract alone."),
        ("20301295", "CFTR A gene."),
    ]
    assert [[passage.section for passage in doc._.passages] for doc in docs] == [
        ["title", "abstract"],
        ["title"],
        ["abstract"],
        ["title", "abstract"],
    ]


ARTICLE = """<article xmlns:mml="http://www.w3.org/1998/Math/MathML"><front>
  <journal-meta><journal-title>A journal</journal-title></journal-meta>
  <article-meta>{ids}<title-group><article-title>Aspirin and <italic>PTGS2</italic></article-title></title-group>
    <abstract><title>Abstract</title><sec><title>Aim</title><p>We ask.</p></sec><p>We answer.</p></abstract>
    <abstract abstract-type="toc">In short.</abstract></article-meta></front>
<body><p>Before all.</p>
  <sec><title>Methods</title><p>Mice<xref>1</xref> got
     aspirin.<list><list-item><p>one</p></list-item><list-item><p>two</p></list-item></list></p>
    <sec><title>Dose</title><p>IC<sub>50</sub> of <mml:math><mml:mi>α</mml:mi></mml:math>.</p>
      <fig><label>Figure 1</label><caption><title>Fever.</title><p>In mice.</p></caption><graphic/></fig>
      <table-wrap><caption><p>Doses.</p></caption><table><tr><td>5</td></tr></table></table-wrap>
      <disp-formula><tex-math>x^2</tex-math></disp-formula></sec></sec>
  <sec><title>Results</title><disp-quote><p>It fell.</p></disp-quote>
    <def-list><def-item><term>NSAID</term></def-item></def-list></sec>
</body>
<back><ack><p>Thanks.</p></ack><ref-list><ref><mixed-citation>Nobody 1999</mixed-citation></ref></ref-list></back>
<sub-article><body><p>A letter.</p></body></sub-article>
</article>"""
PASSAGES = [
    ("Aspirin and PTGS2", "title", None),
    ("Abstract", "title_0", "abstract"),
    ("Aim", "title_1", "abstract"),
    ("We ask.", "abstract", "abstract"),
    ("We answer.", "abstract", "abstract"),
    ("In short.", "abstract", "abstract"),
    ("Before all.", "paragraph", None),
    ("Methods", "title_1", "Methods"),
    ("Mice1 got aspirin. one two", "paragraph", "Methods"),
    ("Dose", "title_2", "Methods"),
    ("IC50 of α.", "paragraph", "Methods"),
    ("Fever. In mice.", "caption", "Methods"),
    ("Doses.", "caption", "Methods"),
    ("Results", "title_1", "Results"),
    ("It fell.", "paragraph", "Results"),
    ("NSAID", "paragraph", "Results"),
]


def ids(**kinds):
    return "".join(f'<article-id pub-id-type="{kind}">{id}</article-id>' for kind, id in kinds.items())


@pytest.mark.parametrize("name", ["a.xml", "a.nxml", "a.NXML.gz"])
def test_full_texts(name, tmp_path, vocab):
    save(tmp_path / name, ARTICLE.format(ids=ids(pmc="77", pmid="5", doi="10.1/x", publisher="y")))
    write(read(tmp_path / name, vocab, strict=True), tmp_path / "out.json")
    (one,) = json.loads((tmp_path / "out.json").read_text())["documents"]
    assert one["id"] == "5" and one["infons"] == {"pmc": "PMC77", "pmid": "5", "doi": "10.1/x"}
    found = [(part["text"], part["infons"]["type"], part["infons"].get("section")) for part in one["passages"]]
    assert found == PASSAGES
    (doc,) = read(tmp_path / "out.json", vocab, strict=True)
    assert doc.text == " ".join(text for text, *_ in PASSAGES)
    assert [passage.section for passage in doc._.passages][:2] == ["title", "abstract"]


@pytest.mark.parametrize(
    "kinds, id",
    [
        ({"pmid": "5", "pmcid": "PMC7"}, "5"),
        ({"doi": "10.1/x", "pmc": "7"}, "PMC7"),
        ({"doi": "10.1/x"}, "10.1/x"),
        ({}, ""),
    ],
)
def test_the_id_of_a_full_text(kinds, id, tmp_path, vocab):
    (doc,) = read(save(tmp_path / "a.nxml", ARTICLE.format(ids=ids(**kinds))), vocab)
    assert doc._.document_id == id


def test_several_full_texts_in_a_file(tmp_path, vocab):
    both = "".join(ARTICLE.format(ids=ids(pmid=pmid)) for pmid in "12")
    assert [id for id, _ in outcome(save(tmp_path / "a.xml", f"<pmc-articleset>{both}</pmc-articleset>"), vocab)] == [
        "1",
        "2",
    ]


DOCTYPE = HEAD.partition("\n")[2]
BAD = {
    "what breaks off": (PUBMED[: PUBMED.index("[A title")], ["1", (None, "not valid XML: ")]),
    "what is not well-formed": (PUBMED.replace("</ArticleTitle>", "", 1), [(None, "not valid XML: ")]),
    "no article": (article_set(), [(None, "it holds no document")]),
    "another root": ("<html><p/></html>", [(None, "neither BioC nor PubMed nor JATS: the root element is <html>")]),
    "a citation without a text": (article_set(citation(1, ""), citation(2, "x")), [("1", "it has no text"), "2"]),
    "a PMID twice": (article_set(citation(1, "x"), citation(1, "y")), ["1", ("1", "two documents have this id")]),
    "no PMID": (article_set(citation("", "x")), [""]),
    "an entity that HTML has": (article_set(citation(1, "5&nbsp;&micro;M")), ["1"]),
    "an entity that nobody knows": (
        article_set(citation(1, "&unheard;"), citation(2, "x")),
        [("1", "not valid XML: the entity &unheard; is not known"), "2"],
    ),
    "an entity that the file declares": (
        article_set(citation(1, "&bomb;")).replace('.dtd">', '.dtd" [<!ENTITY bomb "ha">]>'),
        [("1", "not valid XML: the entity &bomb; is not known")],
    ),
    "an entity that names a file": (
        article_set(citation(1, "&file;")).replace('.dtd">', '.dtd" [<!ENTITY file SYSTEM "/etc/hostname">]>'),
        [("1", "not valid XML: the entity &file; is not known")],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_article_is_set_aside(name, tmp_path, vocab):
    text, expected = BAD[name]
    found = outcome(save(tmp_path / "a.xml", text), vocab)
    assert len(found) == len(expected), found
    for (id, rest), wanted in zip(found, expected):
        assert (id == wanted) if isinstance(wanted, str) else (id == wanted[0] and rest.startswith(wanted[1])), rest


def test_memory_does_not_grow_with_the_file(tmp_path, vocab):
    def peak(count):
        citations = (citation(number, "Aspirin", "It binds. " * 50) for number in range(1, count + 1))
        path = save(tmp_path / f"{count}.xml.gz", article_set(*citations))
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_each(path, vocab)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20) and peak(200) < peak(50) * 1.5 + 100_000


words = st.lists(
    st.sampled_from(["BRCA1", "α-catenin", "e\u0301", "😀", "<", "&", "]]>", '"', "p53-/-", "\u2009", "(IL-2)"]),
    max_size=8,
).map(" ".join)


@SETTINGS
@given(
    citations=st.lists(st.tuples(words, st.lists(words, max_size=3)), min_size=1, max_size=4),
    target=st.sampled_from([".xml", ".json", ".pubtator", ".spacy"]),
)
def test_citations_come_through_every_format(citations, target, tmp_path, vocab):
    texts = [citation(number, escape(title), *map(escape, parts)) for number, (title, parts) in enumerate(citations)]
    found = list(read_each(save(tmp_path / "a.xml", article_set(*texts)), vocab))
    docs = [one for one in found if not isinstance(one, Rejected)]
    expected = [" ".join(filter(None, map(str.strip, [title, *parts]))) for title, parts in citations]
    assert [doc.text for doc in docs] == [text for text in expected if text.strip()]
    assert len(found) == len(citations)
    if docs:
        write(docs, tmp_path / f"b{target}")
        again = list(read(tmp_path / f"b{target}", vocab, strict=True))
        assert [(doc._.document_id, doc.text) for doc in again] == [(doc._.document_id, doc.text) for doc in docs]
