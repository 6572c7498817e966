"""How each text format is written: its frame, and a document in it."""

from typing import Callable, Dict

from .anomalies import Anomalies
from .bioc_json import json_fragment, json_frame, json_lines_frame
from .bioc_xml_writer import xml_fragment, xml_frame
from .frame import Frame
from .pubtator_writer import pubtator_fragment, pubtator_frame
from .record import Record

FRAMES: Dict[str, Callable[[Record], Frame]] = {
    "bioc-xml": xml_frame,
    "bioc-json": json_frame,
    "bioc-jsonl": json_lines_frame,
    "pubtator": pubtator_frame,
}
FRAGMENTS: Dict[str, Callable[[Record, Anomalies], str]] = {
    "bioc-xml": xml_fragment,
    "bioc-json": json_fragment,
    "bioc-jsonl": json_fragment,
    "pubtator": pubtator_fragment,
}
