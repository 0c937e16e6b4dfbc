"""
Writes docs/vendors.md and its Portuguese twin from the headers of collector/vendors.

The Portuguese of what stands in the headers: tools/portuguese/vendors.toml.

    python tools/generate_vendors.py            # write
    python tools/generate_vendors.py --check    # exit 1 if a page is not what would be written
"""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pages import table, write_or_check
from portuguese_words import SHIPPED, Words

from whatsself_otel.stack import vendor_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from whatsself_otel.stack.vendor_files import Vendor

ROOT: Final = Path(__file__).resolve().parent.parent
DOCS: Final = ROOT / "docs"

INTRO: Final = """\
# Vendors

<!-- Generated from the headers of `collector/vendors` by `tools/generate_vendors.py`; do not edit. -->

A backend is one file of `collector/vendors`; the application does not change. Any number of them at once:

```sh
whatsself-otel vendors list
whatsself-otel vendors show honeycomb
whatsself-otel collector run --vendor local --vendor honeycomb
```

A vendor that is away costs the others nothing. Its queue takes what comes, 256 MB by `OTELCOL_QUEUE_BYTES`; when that
is full, what comes is dropped for this vendor alone, counted and alerted on. `local` makes its sender wait instead. In
each file's header it is `full: drop` or `full: refuse`; [how](../collector/README.md).

In containers they stand beside Prometheus, Loki and Tempo: `OTELCOL_VENDORS=honeycomb,datadog`, here or in `.env`, with
the variables of their files. A secret may lie in a file of the folder `OTELCOL_SECRETS_DIR`, which user 10001 must be
able to read: `HONEYCOMB_API_KEY_FILE=/run/secrets/otelcol/honeycomb`. `OTELCOL_SAMPLING=true`, `OTELCOL_SECURE=true`
and `OTELCOL_OWN_LOG=false` are the switches of the command line. A variable that is missing stops the start: `docker
compose logs otelcol-config` names it. `stack up --docker --vendor honeycomb` does the same, with files of this machine.
`docker compose up otelcol` starts no backend of its own: what is meant for them waits.

A required variable may also stand in a file: `NAME_FILE=path` instead of `NAME=value`. One that is missing, empty or
still a placeholder is named before anything starts. Vendors' own servers [were not tried](evidence/unproven.md). A
backend without a file here: `otlp`, or a file of your own, as
[examples/second_vendor.yaml](../examples/second_vendor.yaml); [how the files fit together](../collector/README.md).
"""


INTRO_IN_PORTUGUESE: Final = """\
# Fornecedores

<!-- Generated from the headers of `collector/vendors` by `tools/generate_vendors.py`; do not edit. -->

Um backend é um arquivo de `collector/vendors`; a aplicação não muda. Quantos você quiser ao mesmo tempo:

```sh
whatsself-otel vendors list
whatsself-otel vendors show honeycomb
whatsself-otel collector run --vendor local --vendor honeycomb
```

Um fornecedor fora do ar não custa nada aos outros. A fila dele recebe o que chega, 256 MB por `OTELCOL_QUEUE_BYTES`;
quando ela enche, o que chega é descartado só para esse fornecedor, contado e alertado. `local` faz quem envia esperar.
No cabeçalho de cada arquivo isso é `full: drop` ou `full: refuse`; [como](../../collector/README.md) (em inglês).

Em contêineres eles ficam ao lado do Prometheus, do Loki e do Tempo: `OTELCOL_VENDORS=honeycomb,datadog`, no ambiente ou
em `.env`, com as variáveis dos arquivos deles. Um segredo pode ficar num arquivo da pasta `OTELCOL_SECRETS_DIR`, que o
usuário 10001 precisa conseguir ler: `HONEYCOMB_API_KEY_FILE=/run/secrets/otelcol/honeycomb`. `OTELCOL_SAMPLING=true`,
`OTELCOL_SECURE=true` e `OTELCOL_OWN_LOG=false` são as opções da linha de comando. Uma variável que falta impede o
início: `docker compose logs otelcol-config` diz qual é. `stack up --docker --vendor honeycomb` faz o mesmo, com os
arquivos desta máquina. `docker compose up otelcol` não inicia nenhum backend: o que é para eles espera.

Uma variável exigida também pode vir de um arquivo: `NAME_FILE=caminho` em vez de `NAME=valor`. Uma que falta, está
vazia ou ainda traz o valor de exemplo é apontada antes de qualquer coisa iniciar. Os servidores dos próprios
fornecedores [não foram testados](../evidence/unproven.md) (em inglês). Um backend sem arquivo aqui: `otlp`, ou um
arquivo seu, como [examples/second_vendor.yaml](../../examples/second_vendor.yaml);
[como os arquivos se encaixam](../../collector/README.md) (em inglês).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The page's own words in one language, and the translation of the headers' texts."""

    file: str
    say: Callable[[str], str]
    intro: str
    overview: tuple[str, str, str, str]
    takes: str
    needs: str
    may_have: str
    temporality: str
    full: str
    lacking: str
    limits: str
    region: str
    compared: str


ENGLISH: Final = Language(
    file="vendors.md",
    say=str,
    intro=INTRO,
    overview=("File", "Takes", "Needs", "Nearest to Brazil"),
    takes="takes",
    needs="needs",
    may_have="may have",
    temporality="temporality",
    full="when its queue is full",
    lacking="lacking in the native build",
    limits="limits",
    region="nearest to Brazil",
    compared="compared with",
)

_WORDS: Final = Words("vendors", SHIPPED)

PORTUGUESE: Final = Language(
    file="pt-BR/vendors.md",
    say=_WORDS,
    intro=INTRO_IN_PORTUGUESE,
    overview=("Arquivo", "Recebe", "Exige", "Mais perto do Brasil"),
    takes="recebe",
    needs="exige",
    may_have="aceita",
    temporality="temporalidade",
    full="com a fila cheia",
    lacking="falta na compilação nativa",
    limits="limites",
    region="mais perto do Brasil",
    compared="comparado com",
)


_FULL: Final = {
    "drop": "drops and counts beside other backends; alone, the sender waits",
    "refuse": "the sender waits",
}


_REGION: Final = {"yours": "where your server stands", "unknown": "not said on the pages below"}


def _region(vendor: Vendor, language: Language) -> str:
    stated = vendor.facts["region"]
    return language.say(_REGION.get(stated, stated.replace("none; ", "none in Brazil; ")))


def _code(names: Sequence[str], language: Language) -> str:
    return ", ".join(f"`{name}`" for name in names) or language.say("none")


def _signals(vendor: Vendor, language: Language) -> str:
    return ", ".join(map(language.say, vendor.signals))


def overview(vendors: Sequence[Vendor], language: Language) -> str:
    """Return the table of all vendors."""
    rows = [
        (
            f"[{each.name}](#{each.name})",
            _signals(each, language),
            _code(each.requires, language),
            _region(each, language),
        )
        for each in vendors
    ]
    return table(language.overview, rows)


def section(vendor: Vendor, language: Language) -> str:
    """Return all about one vendor."""
    say = language.say
    optional = [f"`{name}`" + (f" = `{default}`" if default else "") for name, default in vendor.optional.items()]
    sources = ", ".join(f"<{address.strip()}>" for address in vendor.facts["source"].split(","))
    rows = [
        (language.takes, _signals(vendor, language)),
        (language.needs, _code(vendor.requires, language)),
        (language.may_have, ", ".join(optional) or say("none")),
        (language.temporality, say(vendor.facts["temporality"])),
        (language.full, say(_FULL[vendor.full])),
        *([(language.lacking, _code(vendor.lacking, language))] if vendor.lacking else []),
        (language.limits, say(vendor.facts["limits"])),
        (language.region, _region(vendor, language)),
        (language.compared, f"{sources} ({vendor.facts['checked']})"),
    ]
    notes = "\n".join(vendor.notes).strip()
    if language is PORTUGUESE:
        notes = textwrap.fill(say(" ".join(notes.split())), 120, break_long_words=False, break_on_hyphens=False)
    text = f"## {vendor.name}\n\n{say(vendor.summary)}\n\n{table(('', ''), rows)}\n"
    return text + (f"\n{notes}\n" if notes else "")


def page(vendors: Sequence[Vendor], language: Language) -> str:
    """Return the whole page."""
    sections = (section(vendor, language) for vendor in vendors)
    return "\n".join([language.intro, overview(vendors, language), "", *sections])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pages, or check them."""
    vendors = [vendor_files.load(name) for name in vendor_files.names()]
    pages = {DOCS / language.file: page(vendors, language) for language in (ENGLISH, PORTUGUESE)}
    _WORDS.check()
    return write_or_check(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
