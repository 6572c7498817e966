"""The same work on Ray Data: actors on many machines, each with a pipeline of its own."""

import logging
from typing import Any, Callable, Dict, List, Optional

from ..errors import EmbreError
from .engine import Progress, Settings, annotate_files
from .sources import Source

# Small files are given to an actor together, so that batches are full and tasks few.
_TASK_BYTES = 2**20
_MOST_BLOCKS = 10_000


def annotate_with_ray(
    model: str,
    digest: str,
    sources: List[Source],
    settings: Settings,
    *,
    actors: Optional[int] = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Annotate files with Ray, on the cluster that is there or else on this machine.

    An actor that dies is started again, and its files go on with the first shard that is not finished.

    model (str): The pipeline, which every machine finds under this name.
    digest (str): The digest of the pipeline.
    sources (List[Source]): The files, none of which is finished.
    settings (Settings): How.
    actors (Optional[int]): How many actors; as many as the cluster has processors or GPUs if None.
    on_progress (Callable[[Progress], None]): Takes how far the work is, from time to time.
    RETURNS (Progress): What was done.
    RAISES (EmbreError): If Ray is missing, or an actor fails for good.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise EmbreError("--engine ray needs Ray: pip install 'embre_spacy[ray]'") from error
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="warning")
    # What it says of its plan and its progress is said by the command.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = 0
    tasks = _tasks(sources)
    resource = "GPU" if settings.gpu else "CPU"
    available = int(ray.cluster_resources().get(resource, 0))
    if not available:
        raise EmbreError(f"the cluster has no {resource}")
    dataset = ray.data.from_items(tasks, override_num_blocks=min(len(tasks), _MOST_BLOCKS)).map_batches(
        Annotator,
        fn_constructor_kwargs={"model": model, "digest": digest, "sources": sources, "settings": settings},
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(actors or available, len(tasks))),
        num_cpus=1,
        num_gpus=1 if settings.gpu else 0,
    )
    done = Progress(0, 0)
    try:
        for row in dataset.iter_rows():
            done = Progress(done.documents + int(row["documents"]), done.size + int(row["size"]))
            on_progress(done)
    except ray.exceptions.RayError as error:
        raise EmbreError(_cause(error)) from error
    return done


class Annotator:
    """An actor: a pipeline that annotates files.

    model (str): The pipeline.
    digest (str): The digest of the pipeline.
    sources (List[Source]): All files.
    settings (Settings): How.
    RAISES (EmbreError): If the pipeline is not the one of the run.
    """

    def __init__(self, model: str, digest: str, sources: List[Source], settings: Settings) -> None:
        from ..relation import find_component
        from ..util import load_pipeline
        from .plan import digest_of

        if digest_of(model) != digest:
            raise EmbreError(f"{model}: the pipeline on this machine is another than that of the run")
        # Ray shows an actor no GPU but its own.
        self._nlp = load_pipeline(model, 0 if settings.gpu else -1)
        find_component(self._nlp)
        self._sources = sources
        self._settings = settings

    def __call__(self, batch: Dict[str, Any]) -> Dict[str, List[int]]:
        """Annotate some of the files.

        batch (Dict[str, Any]): For each task the first of its files, and the one after its last.
        RETURNS (Dict[str, List[int]]): For each task how many documents were predicted, and the size of its files.
        """
        documents, sizes = [], []
        for first, end in zip(batch["first"], batch["end"]):
            sources = self._sources[int(first) : int(end)]
            documents.append(annotate_files(self._nlp, sources, self._settings).documents)
            sizes.append(sum(source.size for source in sources))
        return {"documents": documents, "size": sizes}


def _tasks(sources: List[Source]) -> List[Dict[str, int]]:
    tasks: List[Dict[str, int]] = []
    size = 0
    for number, source in enumerate(sources):
        if not tasks or size + source.size > _TASK_BYTES:
            tasks.append({"first": number, "end": number})
            size = 0
        tasks[-1]["end"] = number + 1
        size += source.size
    return tasks


def _cause(error: BaseException) -> str:
    """What an actor failed with: Ray wraps it in errors of its own."""
    found: Optional[BaseException] = error
    while found is not None:
        if isinstance(found, EmbreError):
            return str(found)
        found = getattr(found, "cause", None) or found.__cause__
    # The last line of the traceback that Ray gives as text.
    return f"Ray: {str(error).strip().splitlines()[-1].strip()}"
