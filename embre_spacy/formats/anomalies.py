"""What is wrong with a file and can be kept all the same: counted, and told in one line."""

from typing import Dict, Tuple

from ..errors import InputError

TEXT_DIFFERS = "annotations whose text differs from the characters at their offsets"
NO_LOCATION = "annotations without a location, or of no length"
OTHER_PASSAGE = "annotations outside their passage"
NO_SUCH_CONCEPT = "relations with an identifier that no annotation has"
NOT_UNDERSTOOD = "relations that are not between two concepts"
NOT_BIOC = "XML elements, attributes and text that BioC does not have (left out)"
# These are met in writing.
NOT_IN_PUBTATOR = "annotations and relations that PubTator cannot express (left out)"


class Anomalies:
    """Counts the anomalies of one file, or refuses the first.

    strict (bool): Whether an anomaly is an error.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self._counts: Dict[str, int] = {}
        self._first: Dict[str, Tuple[str, str]] = {}

    def add(self, kind: str, document: str, detail: str) -> None:
        """Count an anomaly.

        kind (str): One of the kinds above.
        document (str): The id of the document.
        detail (str): What it is, as a phrase.
        RAISES (InputError): If anomalies are errors.
        """
        if self.strict:
            raise InputError(detail, document=document)
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self._first.setdefault(kind, (document, detail))

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __str__(self) -> str:
        return "; ".join(
            f"{kind}: {count} (first in document {self._first[kind][0]}: {self._first[kind][1]})"
            for kind, count in self._counts.items()
        )
