"""`python -m embre_spacy`."""

from .cli import app
from .cli.app import accept_any_console

if __name__ == "__main__":
    accept_any_console()
    app(prog_name="python -m embre_spacy")
