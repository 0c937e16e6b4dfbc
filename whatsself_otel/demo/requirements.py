"""
What an installed package needs with some of its extras, one requirement a line, for an image built from it.

    python requirements.py DIST_INFO [EXTRA ...]
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def requirements(distribution: PathDistribution, extras: set[str]) -> Iterator[str]:
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


if __name__ == "__main__":
    folder, *wanted = sys.argv[1:]
    sys.stdout.write("\n".join(dict.fromkeys(requirements(PathDistribution(Path(folder)), {*wanted}))) + "\n")
