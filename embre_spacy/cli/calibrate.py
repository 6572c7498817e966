"""`calibrate`: probabilities that mean what they say, and the threshold."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from ._app import app
from ._output import note, report_errors, write_json


@app.command("calibrate")
def calibrate_command(
    model: Annotated[str, typer.Argument(help="A pipeline: its folder, or the name of an installed package.")],
    dev: Annotated[Path, typer.Argument(help="Held-out gold documents, in any format that `convert` reads.")],
    output: Annotated[Path, typer.Argument(help="The folder to write the calibrated pipeline to.")],
    level: Annotated[
        Optional[str],
        typer.Option(help="The level whose F1 chooses the threshold: pair, type, novelty, all; by default their mean."),
    ] = None,
    report: Annotated[Optional[Path], typer.Option(help="Write what was found as JSON.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="How many documents the pipeline gets at once.")] = 64,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="The GPU to use; -1 for the CPU.")] = -1,
) -> None:
    """Fit temperatures on held-out documents, so that of the candidates with a probability of 0.7 about 70% are
    related, and choose the threshold with the best F1.
    """
    with report_errors():
        from ..errors import EmbreError
        from ..formats import read
        from ..relation.calibration import calibrate
        from ..relation.scoring import LEVELS
        from ..util import describe_run, load_pipeline

        if level is not None and level not in LEVELS:
            raise EmbreError(f"--level must be one of {', '.join(LEVELS)}, not {level!r}")
        nlp = load_pipeline(model, gpu_id)
        found = calibrate(nlp, list(read(dev, nlp.vocab)), level=level, batch_size=batch_size)
        nlp.to_disk(output)
        for name, row in found["calibration"].items():
            note(
                f"{name}: temperature {row['temperature']:.3f}, calibration error {row['ece']:.4f} before, "
                f"{row['ece_after']:.4f} after (fitted on one half of the documents, measured on the other)"
            )
        note(f"threshold {found['threshold']:.2f} -> {output}")
        if report is not None:
            write_json({**found, "run": describe_run()}, report)
