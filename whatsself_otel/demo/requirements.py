"""
Requirements of an installed package with some extras: a line each for an image, or pip's arguments.

    python requirements.py DIST_INFO [EXTRA ...]
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def requirements(distribution: Distribution, extras: set[str]) -> Iterator[str]:
    """Yield what *distribution* requires, its own extras followed."""
    name = distribution.metadata["Name"]
    for line in distribution.requires or ():
        needed, _, condition = (part.strip() for part in line.partition(";"))
        extra = re.search(r"extra == [\"']([^\"']+)[\"']", condition)
        if extra and extra[1] not in extras:
            continue
        if own := re.fullmatch(rf"{name}\[(.+)\]", needed):
            yield from requirements(distribution, set(own[1].split(",")))
        else:
            yield needed


def install_command(extra: str) -> str:
    """
    Return the command that installs what *extra* needs.

    It names the packages themselves: this one is on no index, where somebody else may take its name.
    """
    ours = Distribution.from_name("whatsself-otel")
    needed = {*requirements(ours, {extra})} - {*requirements(ours, set())}
    return " ".join(["pip install", *(f'"{each}"' for each in sorted(needed))])


if __name__ == "__main__":
    folder, *wanted = sys.argv[1:]
    sys.stdout.write("\n".join(dict.fromkeys(requirements(PathDistribution(Path(folder)), {*wanted}))) + "\n")
