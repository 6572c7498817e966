"""The measurements as a page with a plot."""

from pathlib import Path
from typing import Any, Dict, List, Tuple

from embre_spacy.errors import EmbreError
from embre_spacy.util import short_commit

_MEBIBYTE = 2**20
# Okabe and Ito's colours, which colour-blind people tell apart.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#777777"
_STYLE = Path(__file__).parent.parent / "docs" / "figures" / "style.mplstyle"


def describe(measured: Dict[str, Any]) -> List[Tuple[str, str]]:
    """Describe what `run_benchmark` returned: what was measured, and its value."""
    inference, pairs, full_text = measured["inference"], measured["pairs"], measured["full_text"]
    training, memory, start = measured["training"], measured["memory"], measured["start"]
    return [
        ("`nlp.pipe`", f"{inference['pipe_documents_per_second']:.1f} documents/s"),
        (
            "the bare transformer on the same wordpieces",
            f"{inference['bare_documents_per_second']:.1f} documents/s",
        ),
        ("`nlp.pipe` to the bare transformer", f"{inference['pipe_to_bare']:.2f}"),
        (
            "the bare transformer on the text without tags and markers",
            f"{inference['text_documents_per_second']:.1f} documents/s",
        ),
        (
            f"`pairs` encoder ({pairs['documents']} documents, {pairs['candidates']} candidates)",
            f"{pairs['pairs_documents_per_second']:.2f} documents/s",
        ),
        ("document encoder to `pairs` encoder", f"{pairs['pipe_to_pairs']:.1f}"),
        (
            f"a full text ({full_text['characters']:,} characters, {full_text['mentions']:,} mentions, "
            f"{full_text['candidates']:,} candidates, {full_text['windows']} windows)",
            f"{full_text['full_text_wordpieces_per_second']:,.0f} wordpieces/s",
        ),
        ("the abstracts that it is made of", f"{full_text['abstracts_wordpieces_per_second']:,.0f} wordpieces/s"),
        ("full text to abstracts", f"{full_text['full_text_to_abstracts']:.2f}"),
        ("training", f"{training['step_documents_per_second']:.1f} documents/s"),
        ("a training step to a bare forward and backward pass", f"{training['step_to_bare']:.2f} of its time"),
        (f"peak memory after {memory['documents']:,} documents", _size(memory["peak_bytes"])),
        (f"peak memory after {memory['more_documents']:,} more", _size(memory["more_peak_bytes"])),
        ("ratio of these", "unknown" if memory["more_to_less"] is None else f"{memory['more_to_less']:.3f}"),
        ("`import embre_spacy`", f"{start['import_seconds']:.2f} s"),
        ("`import spacy`, which imports PyTorch", f"{start['spacy_seconds']:.2f} s"),
        ("`spacy.load` after it, which imports transformers", f"{start['load_seconds']:.2f} s"),
    ]


def write_report(measured: Dict[str, Any], path: Path) -> List[Path]:
    """Write the page and its plot, which goes to the folder `figures` beside it, and return both files."""
    figure = path.parent / "figures" / f"{path.stem}.svg"
    _draw(measured, figure)
    path.write_text(make_page(measured, f"figures/{figure.name}"), encoding="utf8")
    return [path, figure]


def make_page(measured: Dict[str, Any], figure: str) -> str:
    """Make the page in Markdown, with the plot at a path that is seen from it."""
    run = measured["run"]
    rows = "\n".join(f"| {name} | {value} |" for name, value in describe(measured))
    inference = measured["inference"]
    return f"""# Performance

Made by `python -m benchmarks MODEL CORPUS --report docs/performance.md`; run that, do not edit this page.

![Documents per second]({figure})

| measured | |
| --- | ---: |
{rows}

- {inference["documents"]} documents with {inference["wordpieces"]:,} wordpieces, tags and markers included
  ({inference["wordpieces_of_text"]:,} without).
- *The bare transformer* gets the tensors of `nlp.pipe` ready made, in the same calls and the same precision. What else
  `nlp.pipe` does (candidates, tokenization, windows, pooling, heads, `doc._.relations`) is what it is slower by.
- Ratios are medians of {run["settings"]["repeats"]} times taken in turn; rates are medians too.
- The full text is made of abstracts, and all pairs of its concepts whose types may be related are candidates. Its
  rate and that of the abstracts count each wordpiece of the text once, without tags, markers and what windows share.

`{run["command"]}`, commit {short_commit(run["commit"])}, seed {run["seed"]}, {run["threads"]} threads on
{run["machine"]["cores"]} cores of {run["machine"]["processor"]},
{", ".join(f"{name} {version}" for name, version in run["versions"].items())}.
"""


def _draw(measured: Dict[str, Any], path: Path) -> None:
    try:
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EmbreError("figures need matplotlib: pip install 'embre_spacy[report]'") from error
    inference, pairs, training = measured["inference"], measured["pairs"], measured["training"]
    bars = [
        ("pairs encoder", pairs["pairs_documents_per_second"], _GREY),
        ("training step", training["step_documents_per_second"], _ORANGE),
        ("bare forward and backward", training["bare_documents_per_second"], _GREY),
        ("nlp.pipe", inference["pipe_documents_per_second"], _BLUE),
        ("bare transformer, same wordpieces", inference["bare_documents_per_second"], _GREY),
        ("bare transformer, text alone", inference["text_documents_per_second"], _GREY),
    ]
    with style.context(_STYLE):
        figure = Figure(figsize=(7, 2.6), layout="constrained")
        axes = figure.subplots()
        drawn = axes.barh([name for name, _, _ in bars], [rate for _, rate, _ in bars], color=[c for _, _, c in bars])
        axes.bar_label(drawn, fmt="{:.1f}", padding=3)
        axes.invert_yaxis()
        axes.set_xlabel("documents per second")
        axes.margins(x=0.1)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.tick_params(axis="y", length=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _size(n_bytes: Any) -> str:
    return "unknown" if n_bytes is None else f"{n_bytes / _MEBIBYTE:,.0f} MiB"
