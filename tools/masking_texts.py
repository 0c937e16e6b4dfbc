"""The texts of docs/masking.md and its Portuguese twin that do not come from the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from portuguese_words import Words

from whatsself_otel.masking import MAX_DEPTH, MAX_ITEMS, MAX_TEXT_CHARS
from whatsself_otel.masking.detectors import MAX_ANCHORS

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The page's own words in one language; in ``vocabularies`` each ``{}`` is a list of names."""

    say: Callable[[str], str]
    introduction: str
    detectors: str
    detector_columns: tuple[str, ...]
    keys: str
    key_columns: tuple[str, ...]
    dotted: str
    vocabularies: str
    measured: str
    must_go: str
    must_stay: str
    records: str
    package: str
    differences: str
    difference_columns: tuple[str, ...]
    allowed: str


WORDS: Final = Words("masking")

ENGLISH: Final = Texts(
    say=str,
    introduction=f"""\
# Masking

Every string, key and number that leaves the process is masked first, and cut to length only after. Two kinds of rule
work together: a **key rule** masks what stands under a known name, whatever it is; a **detector** masks what it
recognises in any text. An error inside masking replaces the value by `[masked:error]`; nothing is let through and
nothing is raised. This page is generated from the rules.

- A phone becomes `+55********4321`: calling code, always eight stars, the last four digits. `mask_last=0` hides all.
  Of a number with fewer than seven digits after its calling code none is shown.
- A hidden id (`…@lid`) and a business-scoped user id are references to a person, as a phone is. Without
  `pseudonym_key_file` all of them become one constant, because whoever has a list of such ids could try each against a
  form without a key; with it each has its own pseudonym. A group's own id stays, and is never one constant: a group
  that a phone made keeps its time behind what hides that phone.
- A WhatsApp address keeps its domain, its device and the message id around it: `true_+55********4321@c.us_3EB0A1`.
- An id of the Cloud API (`wamid.…`, `wacid.…`) holds the whole phone. `message_ref()` gives the short reference that
  stands for it everywhere: the kind and 24 hex digits of SHA-256. `whatsself-otel trace` and the viewer's search accept
  the original.
- The credentials of a URL become `REDACTED:REDACTED@`, as in OpenTelemetry's conventions, so that it still parses.
- The literals of a statement become `?`, also as in these conventions.
- Everything else becomes a constant that names the rule: `[masked:body]`.
- Texts longer than {MAX_TEXT_CHARS:,} characters are cut, containers deeper than {MAX_DEPTH} or with more than
  {MAX_ITEMS:,} items too; `[masked:size]`, `[masked:depth]` and `[masked:cycle]` say so.
- Of a text with more than {MAX_ANCHORS:,} places where something personal may begin the rest is hidden by
  `[masked:size]`, so that a hostile text cannot buy time.
""",
    detectors="Detectors",
    detector_columns=(
        "Rule",
        "Recognises",
        "Example",
        "Becomes",
    ),
    keys="""\
## Keys

A name is split into words: `contactPhone`, `contact_phone`, `contact-phone` and `CONTACT_PHONE` are the same two. Words
decide, never parts of words: `author` is not `auth`. A rule applies at any depth and to query parameters, and inside
texts wherever a name stands before its value:

- in data, to the end of the value, whatever it is: JSON, the representations of Python and Node, calls
  (`Contact(name='…')`), pairs of headers, `{"name": …, "value": …}`, options of a command line, and data in strings of
  data to a depth of three. What is never closed is masked to the end of the text.
- in `key=value` and `key: value` to the closing quote; without quotes a secret ends at a space, a name at the line, and
  what people wrote at the next `key=` or at the end of the text.
- in multipart bodies, by the name of the part.

A value under a name that has a rule stays if it is a masked one, or, under an ambiguous name, if it is one of the
technical values below. A masked number becomes text. `allow_keys` frees a name from its rule.
""",
    key_columns=(
        "Becomes",
        "Holds",
        "Anywhere in a name",
        "At its end",
        "After certain words",
        "As the whole name",
        "As the whole name, unless one technical word",
    ),
    dotted="""\
### Dotted names

Of a dotted name the last part is read: `contact.phone` is a phone. Where the first part is a namespace of telemetry,
the words of the last column above are technical and stay: `service.name`, `exception.message`. The others are masked
even there: `messaging.message.body`. Headers are read by their own name (`http.request.header.authorization`).
""",
    vocabularies="""\
Namespaces: {}.

Harmless endings, which make a name speak about the datum (`body_size`); numbers under them pass:
{}.

Technical values, which stay under the names of the column "As the whole name" (`to=queued`), where those of a phone let
days and times stay too (`from=2026-11-30`, `from=2026-11-30T10:00:00Z`, `to=now-1h`):
{}.

Words before `name` in a text that make it a thing's name (`thread name=worker-1`):
{}.

Words before `id` that make a bare number an id and no phone (`order_id=393857082423`):
{}.

Objects of WhatsApp: what stands inside them is content, unless its own name has a rule or is an id:
{}.

Read as statements: {};
values bound to one (`db.query.parameter.*`) become `[masked:sql]`.

Read as URLs: {}.
In URLs these parameters are masked too: {}.

Masked as content by their full name: {}.""",
    measured="""\
## What it finds

Measured on invented records (tests/masking/masking_records.py, by tools/score_masking.py): a record counts as found
when nothing of it that must go can be read. The rules were written with these records in sight: they show
which kinds are known, and say nothing about those that are not.

The other columns are of the same records (tools/score_peers.py): the real collector, where a record counts only if it
is found in a body, in an attribute and deep in a map alike; Logfire's scrubber, Sentry's `EventScrubber`, scrubadub and
presidio's recognizers of patterns, each as it is by default and without a model of a language. They are made for other
data: none of them knows a name of WhatsApp's ([never run](evidence/unproven.md)).
""",
    must_go="Must go",
    must_stay="Must stay",
    records="Records",
    package="This package",
    differences="""\
## What the collector does otherwise

The collector masks once more whatever reaches it. Its rules are generated from those above
(tools/generate_collector_masking.py). Where its languages cannot do what Python does, it does this:
""",
    difference_columns=(
        "Matter",
        "The package",
        "The collector",
    ),
    allowed="""\
## What an audit allows

`whatsself-otel audit` and `assert_no_pii` apply the rules above and look with stricter eyes at what these leave: eight
digits in a row, base64 around them, a given name. They print kind and place only, and say how much was read; what
cannot be read has its own exit status, 4. Of what the stricter eyes see these are allowed:
""",
)

_TEXT_CHARS, _ITEMS, _ANCHORS = (f"{each:,}".replace(",", ".") for each in (MAX_TEXT_CHARS, MAX_ITEMS, MAX_ANCHORS))

PORTUGUESE: Final = Texts(
    say=WORDS,
    introduction=f"""\
# Mascaramento

Todo texto, chave e número que sai do processo é mascarado antes, e só depois cortado no tamanho. Dois tipos de regra
trabalham juntos: uma **regra de chave** mascara o que está sob um nome conhecido, seja o que for; um **detector**
mascara o que reconhece em qualquer texto. Um erro dentro do mascaramento troca o valor por `[masked:error]`; nada
passa sem máscara e nenhuma exceção é levantada. Esta página é gerada das regras.

- Um telefone vira `+55********4321`: código do país, sempre oito asteriscos, os quatro últimos dígitos. `mask_last=0`
  esconde todos. De um número com menos de sete dígitos depois do código do país nenhum aparece.
- Um id oculto (`…@lid`) e um user id restrito à empresa são referências a uma pessoa, como um telefone. Sem
  `pseudonym_key_file` todos viram uma só constante, porque quem tem uma lista desses ids poderia testar cada um contra
  uma forma sem chave; com ela cada um tem o seu pseudônimo. O id do próprio grupo fica, e nunca é uma constante: um
  grupo criado por um telefone mantém a hora atrás do que esconde esse telefone.
- Um endereço do WhatsApp mantém o domínio, o dispositivo e o id da mensagem em volta:
`true_+55********4321@c.us_3EB0A1`.
- Um id da Cloud API (`wamid.…`, `wacid.…`) contém o telefone inteiro. `message_ref()` dá a referência curta que fica no
  lugar dele em toda parte: o tipo e 24 dígitos hexadecimais de SHA-256. `whatsself-otel trace` e a busca do
  visualizador aceitam o original.
- As credenciais de uma URL viram `REDACTED:REDACTED@`, como nas convenções do OpenTelemetry, para que ela siga válida.
- Os literais de um comando SQL viram `?`, também como nessas convenções.
- Todo o resto vira uma constante que diz a regra: `[masked:body]`.
- Textos com mais de {_TEXT_CHARS} caracteres são cortados, e também estruturas com mais de {MAX_DEPTH} níveis ou de
  {_ITEMS} itens; `[masked:size]`, `[masked:depth]` e `[masked:cycle]` dizem isso.
- De um texto com mais de {_ANCHORS} lugares onde algo pessoal pode começar, o resto é escondido por `[masked:size]`,
  para que um texto hostil não compre tempo.
""",
    detectors="Detectores",
    detector_columns=(
        "Regra",
        "Reconhece",
        "Exemplo",
        "Vira",
    ),
    keys="""\
## Chaves

Um nome é dividido em palavras: `contactPhone`, `contact_phone`, `contact-phone` e `CONTACT_PHONE` são as mesmas duas. O
que decide são palavras, nunca partes delas: `author` não é `auth`. Uma regra vale em qualquer profundidade e em
parâmetros de query, e dentro de textos onde quer que um nome esteja antes do seu valor:

- em dados, até o fim do valor, seja qual for: JSON, as representações de Python e Node, chamadas
  (`Contact(name='…')`), pares de cabeçalhos, `{"name": …, "value": …}`, opções de uma linha de comando, e dados em
  textos de dados até três níveis. O que nunca fecha é mascarado até o fim do texto.
- em `key=value` e `key: value`, até fechar as aspas; sem aspas, um segredo termina num espaço, um nome no fim da
  linha, e o que pessoas escreveram no próximo `key=` ou no fim do texto.
- em corpos multipart, pelo nome da parte.

Um valor sob um nome que tem regra fica se já está mascarado ou, sob um nome ambíguo, se é um dos valores técnicos
abaixo. Um número mascarado vira texto. `allow_keys` libera um nome da sua regra.
""",
    key_columns=(
        "Vira",
        "Contém",
        "Em qualquer lugar de um nome",
        "No fim dele",
        "Depois de certas palavras",
        "Como nome inteiro",
        "Como nome inteiro, a menos que haja uma palavra técnica",
    ),
    dotted="""\
### Nomes com ponto

De um nome com pontos lê-se a última parte: `contact.phone` é um telefone. Onde a primeira parte é um namespace de
telemetria, as palavras da última coluna acima são técnicas e ficam: `service.name`, `exception.message`. As outras são
mascaradas mesmo ali: `messaging.message.body`. Cabeçalhos são lidos pelo próprio nome
(`http.request.header.authorization`).
""",
    vocabularies="""\
Namespaces: {}.

Finais inofensivos, que fazem um nome falar sobre o dado (`body_size`); números sob eles passam:
{}.

Valores técnicos, que ficam sob os nomes da coluna "Como nome inteiro" (`to=queued`), onde os de um telefone deixam
também dias e horas (`from=2026-11-30`, `from=2026-11-30T10:00:00Z`, `to=now-1h`):
{}.

Palavras antes de `name`, num texto, que fazem dele o nome de uma coisa (`thread name=worker-1`):
{}.

Palavras antes de `id` que fazem de um número um id, e não um telefone (`order_id=393857082423`):
{}.

Objetos do WhatsApp: o que está dentro deles é conteúdo, a menos que o próprio nome tenha uma regra ou seja um id:
{}.

Lidos como comandos SQL: {};
valores ligados a um (`db.query.parameter.*`) viram `[masked:sql]`.

Lidos como URLs: {}.
Em URLs estes parâmetros também são mascarados: {}.

Mascarados como conteúdo pelo nome inteiro: {}.""",
    measured="""\
## O que ele acha

Medido em registros inventados (tests/masking/masking_records.py, por tools/score_masking.py): um registro conta como
achado quando nada do que tem de sair pode ser lido. As regras foram escritas com estes registros à vista: eles mostram
quais tipos são conhecidos, e nada dizem dos que não são.

As outras colunas são dos mesmos registros (tools/score_peers.py): o collector real, onde um registro só conta se é
achado num corpo, num atributo e no fundo de um mapa; o scrubber da Logfire, o `EventScrubber` da Sentry, o scrubadub e
os reconhecedores de padrões do presidio, cada um como vem por padrão e sem modelo de língua. Eles são feitos para
outros dados: nenhum conhece um nome do WhatsApp ([nunca executado](../evidence/unproven.md)).
""",
    must_go="Tem de sair",
    must_stay="Tem de ficar",
    records="Registros",
    package="Este pacote",
    differences="""\
## O que o collector faz diferente

O collector mascara mais uma vez o que chega a ele. As regras dele são geradas das de cima
(tools/generate_collector_masking.py). Onde as linguagens dele não conseguem o que o Python faz, ele faz isto:
""",
    difference_columns=(
        "Assunto",
        "O pacote",
        "O collector",
    ),
    allowed="""\
## O que uma auditoria permite

`whatsself-otel audit` e `assert_no_pii` aplicam as regras acima e olham com mais rigor o que elas deixam: oito dígitos
seguidos, base64 em volta deles, um nome de pessoa. Mostram só o tipo e o lugar, e dizem quanto foi lido; o que não pode
ser lido tem um status de saída próprio, 4. Do que o olhar mais rigoroso vê, isto é permitido:
""",
)
