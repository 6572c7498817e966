"""`python -m embre_spacy`."""

from .cli import app

if __name__ == "__main__":
    app(prog_name="python -m embre_spacy")
