"""Documents of PubTator3's service, by their PMIDs: the only thing here that asks a network.

Wei and others (2024), PubTator 3.0, https://doi.org/10.1093/nar/gkae235. The page on its API
(https://www.ncbi.nlm.nih.gov/research/pubtator3/api) asks for at most three requests a second.
"""

import json
import os
import re
from io import BytesIO
from time import sleep
from typing import Dict, Iterator, List, Union

import requests
from spacy.util import minibatch

from ..errors import InputError, add_file_to_errors
from ..files import find_file, open_input, open_output
from .bioc_json import read_bioc_json
from .record import Record

PREFIX = "pubtator3:"
# Names of variables of the environment: another address of the service, and the folder that keeps what came.
URL_VARIABLE, CACHE_VARIABLE = "EMBRE_PUBTATOR3_URL", "EMBRE_CACHE"
_URL = "https://www.ncbi.nlm.nih.gov/research/pubtator3-api"
_CACHE = os.path.join("~", ".cache", "embre_spacy")
# How long to wait before each request; and after the first try that failed, twice as long after each that follows.
INTERVAL_SECONDS, BACKOFF_SECONDS = 0.34, 1.0
_MOST_TRIES, _MOST_SECONDS = 5, 60.0
_MOST_PMIDS = 100
_PMID = re.compile(r"0*([1-9][0-9]{0,8})")


def is_query(location: str) -> bool:
    """Whether a location is "pubtator3:PMID,..." or "pubtator3:@FILE", a file of PMIDs."""
    return location.startswith(PREFIX)


def fetch(query: str) -> Iterator[Union[str, InputError]]:
    """Fetch what the cache lacks, and yield for each PMID, once, where its document lies, as BioC JSON; or an error if
    PubTator3 has none. RAISES (InputError): If one is no PMID; if the service fails, with what did not come."""
    pmids = _parse(query)
    folder = os.environ.get(CACHE_VARIABLE) or os.path.expanduser(_CACHE)
    places = {pmid: f"{folder}/pubtator3/{pmid}.json" for pmid in pmids}
    with requests.Session() as session:
        session.headers["User-Agent"] = "embre_spacy"
        for some in minibatch(pmids, _MOST_PMIDS):
            missing = [pmid for pmid in some if find_file(places[pmid]) is None]
            try:
                records = _ask(session, missing) if missing else {}
            except (requests.RequestException, InputError) as error:
                left = [pmid for pmid in pmids if find_file(places[pmid]) is None]
                shown = ", ".join(left[:_MOST_PMIDS]) + (", ..." if len(left) > _MOST_PMIDS else "")
                # The messages of requests have the address, with all PMIDs in it.
                status = getattr(getattr(error, "response", None), "status_code", None)
                problem = f"HTTP {status}" if status else type(error).__name__
                cause = f"{len(left)} of {len(pmids)} documents did not come from PubTator3 ({problem})"
                raise InputError(f"{cause}: {shown}", file=query) from error
            for pmid in some:
                if pmid in records:
                    with open_output(places[pmid], make_folder=True) as file:
                        file.write(json.dumps({"PubTator3": [records[pmid].document]}).encode())
                elif pmid in missing:
                    yield InputError("PubTator3 has no such document", document=pmid)
                    continue
                yield places[pmid]


def _parse(query: str) -> List[str]:
    names, place = query.removeprefix(PREFIX), query
    if names.startswith("@"):
        place = names[1:]
        with add_file_to_errors(place), open_input(place) as file:
            names = file.read().decode("utf-8-sig", "replace")
    words = re.findall(r"[^\s,]+", names)
    if wrong := [word for word in words if not _PMID.fullmatch(word)]:
        raise InputError(f"{wrong[0]!r} is not a PMID", file=place)
    if not words:
        raise InputError("it names no PMID", file=place)
    return list(dict.fromkeys(word.lstrip("0") for word in words))


def _ask(session: requests.Session, pmids: List[str]) -> Dict[str, Record]:
    """The documents that the service has, by their ids. What may pass is tried again."""
    url = f"{os.environ.get(URL_VARIABLE) or _URL}/publications/export/biocjson?pmids={','.join(pmids)}"
    for attempt in range(1, _MOST_TRIES + 1):
        sleep(INTERVAL_SECONDS)
        try:
            response = session.get(url, timeout=_MOST_SECONDS)
            if response.status_code in (400, 404):
                # It refuses all for one that it does not know.
                middle = len(pmids) // 2
                return {**_ask(session, pmids[:middle]), **_ask(session, pmids[middle:])} if middle else {}
            response.raise_for_status()
            found = read_bioc_json(BytesIO(response.content), "")
            return {record.id: record for record in found if isinstance(record, Record)}
        except (requests.RequestException, InputError):
            if attempt == _MOST_TRIES:
                raise
            sleep(BACKOFF_SECONDS * 2 ** (attempt - 1))
    return {}
