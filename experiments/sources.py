"""Where figures come from: what stands below every table."""

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence

from embre_spacy.util import short_commit

from .columns import by_pretraining
from .outcome import GridOutcome


def describe_source(outcome: GridOutcome, output: Path) -> str:
    """Say what the figures of a grid come from.

    outcome (GridOutcome): What came of the grid.
    output (Path): The report that says so.
    RETURNS (str): The folder, commands, commits, seeds, machines and the time that all took, as Markdown.
    """
    results = outcome.results
    files = results if outcome.floor is None else [*results, outcome.floor]
    seeds = sorted({result["seed"] for result in results})
    parts = [
        f"{link(outcome.folder, output)} ({len(files)} file{_plural(len(files))})",
        ", ".join(f"`{one}`" for one in _different(map(_describe_command, files))),
        _describe_commits(files),
        f"seed{_plural(len(seeds))} {', '.join(map(str, seeds))}",
        "; ".join(_different(map(_describe_machine, results))),
        f"{_format_hours(_total_seconds(results))} in all",
    ]
    copied = sorted({result["result_of"].partition("/")[0] for result in results if result.get("result_of")})
    if copied:
        parts.append(f"some of it in {', '.join(f'`{name}`' for name in copied)}, where the same training stands too")
    return f"From {', '.join(parts)}."


def link(path: Path, output: Path) -> str:
    """A link to a file or folder.

    path (Path): The file or folder.
    output (Path): The file that the link stands in.
    RETURNS (str): The link, as Markdown.
    """
    return f"[{path.as_posix()}]({Path(os.path.relpath(path, output.parent)).as_posix()})"


def _describe_command(result: Mapping[str, Any]) -> str:
    """The command that makes the grid: what says which of its cells, and on which device, only says who ran what."""
    # Before `experiments` was a program of its own, it was a command of the package.
    command = result["run"]["command"].replace("-m embre_spacy experiment ", "-m experiments ")
    before, run, after = command.partition(" run ")
    grid = after.split(" ")[0]
    return command if not run or grid.startswith("-") else before + run + grid


def _describe_commits(results: Iterable[Mapping[str, Any]]) -> str:
    commits = _different(short_commit(result["run"]["commit"]) for result in results)
    return f"commit{_plural(len(commits))} {', '.join(commits)}"


def _describe_machine(result: Mapping[str, Any]) -> str:
    machine = result["run"]["machine"]
    gpu = f" with {result['gpu']}" if result.get("gpu") else ""
    return f"on {machine['cores']} cores of {machine['processor']}{gpu}"


def _total_seconds(results: Sequence[Dict[str, Any]]) -> float:
    """The time of all trainings and evaluations, and of each pretraining once."""
    trainings = sum(one["seconds"]["training"] + one["seconds"]["evaluation"] for one in results)
    return trainings + _pretraining_seconds(list(by_pretraining(results).values()))


def _pretraining_seconds(results: Sequence[Mapping[str, Any]]) -> float:
    """The time of pretrainings, and once that of those before them, which several of them may go on with."""
    own, before = 0.0, {}
    for one in results:
        # The seconds of a pretraining are those of its whole chain, those of its last epoch are its own.
        seconds = one["pretraining"]["last_epoch"]["seconds"]
        own += seconds
        after = one["settings"]["pretraining"]["after"]
        if after is not None:
            before[json.dumps(after, sort_keys=True)] = one["pretraining"]["seconds"] - seconds
    known = {json.dumps(one["settings"]["pretraining"], sort_keys=True) for one in results}
    return own + sum(seconds for after, seconds in before.items() if after not in known)


def _format_hours(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _different(values: Iterable[str]) -> List[str]:
    return list(dict.fromkeys(values))


def _plural(count: int) -> str:
    return "" if count == 1 else "s"
