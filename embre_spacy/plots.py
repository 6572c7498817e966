"""What all figures have in common."""

from contextlib import contextmanager
from typing import Any, Iterator

from .errors import EmbreError

# Okabe and Ito's colours, which colour-blind people tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"
_SETTINGS = {
    # The same results give the same file.
    "svg.hashsalt": "embre_spacy",
    # Text stays text; most fonts are narrower than this one, so it fits everywhere.
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
}


@contextmanager
def open_figure(path: Any, width: float, height: float) -> Iterator[Any]:
    """Draw a figure and write it as SVG.

    path (Path): The file; folders above it are made.
    width (float), height (float): The size in inches.
    YIELDS (Figure): The matplotlib figure to draw on.
    RAISES (EmbreError): If matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise EmbreError("figures need matplotlib: pip install 'embre_spacy[report]'") from error
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
