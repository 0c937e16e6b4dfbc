"""How Sphinx makes the site of these pages: `make docs`."""

import re
import sys
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from whatsself_otel import __version__

project = "whatsself_otel"
author = "whatsself_otel maintainers"
copyright = "2026, the whatsself_otel maintainers"  # noqa: A001 - the name Sphinx reads
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
exclude_patterns = ["_build"]
highlight_language = "text"
smartquotes = False  # --option stays what is typed

html_theme = "furo"
html_title = f"whatsself_otel {release}"
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
html_static_path = ["_static"]
html_css_files = ["site.css"]


_LISTS = {"decisions/README": "0*"}
"""Pages that lead to the others of their folder."""
_EVIDENCE = "evidence/"
_FOLDERS = (_EVIDENCE, *(name.removesuffix("README") for name in _LISTS))


def _lead_to_every_page(app: Sphinx, name: str, text: list[str]) -> None:
    """Give each page a place in the navigation, unnamed ones too; evidence is reached by links alone."""
    if name.startswith(_EVIDENCE):
        text[0] = f"---\norphan: true\n---\n{text[0]}"
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


def _twin(name: str, docnames: set[str]) -> str | None:
    """Return the page that says the same in the other language, None without one."""
    folder, _, page = name.rpartition("/")
    parts = folder.split("/") if folder else []
    other = [part for part in parts if part != "pt-BR"]
    if "pt-BR" in parts:
        candidates = ["/".join([*other, page])]
    else:
        candidates = ["/".join(["pt-BR", *parts, page]), "/".join([*parts, "pt-BR", page]), f"{name}.pt-BR"]
    if name.endswith(".pt-BR"):
        candidates = [name.removesuffix(".pt-BR")]
    return next((each for each in candidates if each in docnames), None)


def _say_language(app: Sphinx, name: str, _template: str, context: dict[str, Any], _tree: object) -> None:
    """Name each page's language, and lead to the same page in the other."""
    is_portuguese = "pt-BR" in name.split("/") or name.endswith(".pt-BR")
    context["language"] = "pt-BR" if is_portuguese else "en"
    if (twin := _twin(name, app.env.found_docs)) is not None:
        language, words = ("en", "English") if is_portuguese else ("pt-BR", "Português do Brasil")
        link = f'<a href="{context["pathto"](twin)}" lang="{language}" hreflang="{language}">{words}</a>'
        context["body"] = f'<p class="language">{link}</p>{context["body"]}'


def setup(app: Sphinx) -> None:
    """Show query languages and diagrams as they are: what Pygments has of PromQL stumbles over names of rules."""
    app.connect("source-read", _lead_to_every_page)
    app.connect("source-read", _hand_over_files)
    app.connect("html-page-context", _say_language)
    for language in ("promql", "logql", "logsql", "traceql", "mermaid"):
        app.add_lexer(language, TextLexer)
