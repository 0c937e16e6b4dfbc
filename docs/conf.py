"""How Sphinx makes the site of these pages: `make docs`."""

import re
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
highlight_language = "text"

html_theme = "furo"
html_title = f"whatsself_otel {release}"
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}


_LISTS = {"runbooks/README": "w*", "runbooks/pt-BR/README": "w*", "decisions/README": "0*"}
"""Pages that lead to the others of their folder."""
_FOLDERS = tuple(name.removesuffix("README") for name in _LISTS)


def _lead_to_every_page(app: Sphinx, name: str, text: list[str]) -> None:
    """Give each page a place in the navigation, those nobody has named yet too."""
    if name in _LISTS:
        text[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{_LISTS[name]}\n```\n"
    if name == "index":
        named = set(text[0].split())
        others = sorted(page for page in app.project.docnames - named if not page.startswith(_FOLDERS))
        text[0] = text[0].replace("(others)", "\n".join(page for page in others if page != "index"))


def _hand_over_files(app: Sphinx, name: str, text: list[str]) -> None:
    """Let links to Markdown outside this folder lead to the file itself: it is no page of the site."""
    folder = (Path(app.srcdir) / name).parent

    def marked(link: re.Match[str]) -> str:
        is_page = (folder / link[1]).resolve().is_relative_to(app.srcdir)
        return link[0] if is_page else f"](path:{link[1]})"

    text[0] = re.sub(r"\]\((\.\./[^)#\s]+\.md)(?:#[^)\s]*)?\)", marked, text[0])


def setup(app: Sphinx) -> None:
    """Show query languages and diagrams as they are: what Pygments has of PromQL stumbles over names of rules."""
    app.connect("source-read", _lead_to_every_page)
    app.connect("source-read", _hand_over_files)
    for language in ("promql", "logql", "logsql", "traceql", "mermaid"):
        app.add_lexer(language, TextLexer)
