"""A server on this machine that answers as PubTator3's does."""

import json
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

from builders import annotation, document, passage

from embre_spacy.formats import pubtator3


def export(pmid):
    """A document as PubTator3 exports it."""
    title, abstract = "Aspirin lowers fever", f"It binds PTGS2 in {pmid} mice."
    mention = annotation("2", "Aspirin", (0, 7), type="Chemical", identifier="MESH:D001241")
    passages = [
        passage(0, title, mention, infons={"type": "title", "journal": "None; 1999"}),
        passage(len(title) + 1, abstract, infons={"type": "abstract"}),
    ]
    more = {"_id": f"{pmid}|None", "pmid": int(pmid), "pmcid": None, "authors": ["Nobody"], "relations_display": []}
    return {**document(pmid, *passages), **more}


class Service:
    """A server that has all documents but some, and fails at times."""

    def __init__(self):
        self.absent, self.failures, self.refuses, self.asked, self.times = set(), [], False, [], []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_answer(*service.answer(urlsplit(self.path)))

            def send_answer(self, status, content):
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"

    def answer(self, url):
        assert url.path == "/api/publications/export/biocjson"
        pmids = parse_qs(url.query)["pmids"][0].split(",")
        self.asked.append(pmids)
        self.times.append(time.monotonic())
        if self.failures:
            return self.failures.pop(0)
        present = [pmid for pmid in pmids if pmid not in self.absent]
        if not present or (self.refuses and len(present) < len(pmids)):
            return 400, b'{"detail": "Could not retrieve publications"}'
        return 200, json.dumps({"PubTator3": [export(pmid) for pmid in reversed(present)]}).encode()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def serve(cache, monkeypatch, interval=0.0):
    """Run the service, and have it asked, with a folder for the cache."""
    service = Service()
    Thread(target=service.server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv(pubtator3.URL_VARIABLE, service.url)
    monkeypatch.setenv(pubtator3.CACHE_VARIABLE, str(cache))
    monkeypatch.setattr(pubtator3, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(pubtator3, "INTERVAL_SECONDS", interval)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield service
    service.stop()
