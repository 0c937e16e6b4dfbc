"""How Sphinx makes the site of these pages: `make docs`."""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from whatsself_otel import __version__

project = "whatsself_otel"
author = "whatsself_otel maintainers"
copyright = "2026, the whatsself_otel maintainers"  # noqa: A001 - the name Sphinx reads
version = release = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
exclude_patterns = ["_build"]
# Pages other people write may come later than their place in the navigation.
suppress_warnings = ["toc.empty_glob"]
highlight_language = "text"

html_theme = "furo"
html_title = f"whatsself_otel {release}"
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}


def setup(app: Sphinx) -> None:
    """Show query languages as they are: what Pygments has of PromQL stumbles over names of recording rules."""
    for language in ("promql", "logql", "traceql"):
        app.add_lexer(language, TextLexer)
