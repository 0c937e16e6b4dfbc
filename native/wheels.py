"""
Pack the real programs of the stack into wheels, for machines that have Python alone.

    python native/wheels.py                            this machine's, into build/wheels
    python native/wheels.py --platform windows-x86_64  cross-compiled; repeatable
    python native/wheels.py --only victorialogs        one program; repeatable

One wheel a program, with its licence and those of everything that is linked into it. What native/build.py has built
is packed as it is; a wheel whose program has not changed is kept.
Needs Go and, the first time, the network. Another platform's first build takes minutes a program.

Exit status: 0 all packed, 1 a build failed or a licence is missing, 2 wrong arguments, 3 Go is missing or too old.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# Lets other programs and the tests load this file from where they are.
sys.path.insert(0, str(Path(__file__).resolve().parent))

import build as native

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OUTPUT = native.ROOT / "build" / "wheels"
LOCAL = "whatsself"
"""Local version label: no public index accepts one, so no other package can have our exact version."""
_LICENCE = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|PATENTS)([.-].*)?", re.IGNORECASE)
_RULE = "-" * 100
_BEFORE_1980 = (1980, 1, 1, 0, 0, 0)
_EXECUTABLE, _PLAIN = 0o100755, 0o100644

PLATFORMS = {
    "linux-x86_64": ("linux/amd64", "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64"),
    "linux-arm64": ("linux/arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64"),
    # What Go 1.26 itself asks for: https://go.dev/wiki/MinimumRequirements
    "macos-arm64": ("darwin/arm64", "macosx_12_0_arm64"),
    "windows-x86_64": ("windows/amd64", "win_amd64"),
}
"""Name -> Go's target, and the wheel's platform tags: programs without cgo run on any libc."""

PACKED = tuple(program for program in native.PROGRAMS if not program.for_tests)
"""The programs of the stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A Go module that is linked into a program."""

    path: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """One program for one platform."""

    program: str
    version: str
    tags: str

    @property
    def distribution(self) -> str:
        """Name as pip knows it."""
        return f"whatsself-otel-{self.program}"

    @property
    def package(self) -> str:
        """Folder of the installed programs, which is also an importable package."""
        return self.distribution.replace("-", "_")

    @property
    def information(self) -> str:
        """Folder of the wheel's own description."""
        return f"{self.package}-{self.version}.dist-info"

    @property
    def file_name(self) -> str:
        """File name of the wheel, from which pip reads its platform."""
        return f"{self.package}-{self.version}-py3-none-{self.tags}.whl"


def workspace(platform: str | None) -> native.Workspace:
    """Return where programs for *platform* are built; None: this machine's, where native/build.py puts them."""
    here = native.Workspace()
    if platform is None:
        return here
    return native.Workspace(cache=here.cache.parent / "cross" / platform, target=PLATFORMS[platform][0])


def platform_of(target: str) -> str:
    """
    Return the name of the platform that Go calls *target*.

    Raises:
        BuildError: There is no wheel for it.
    """
    for name, (known, _) in PLATFORMS.items():
        if known == target:
            return name
    raise native.BuildError(f"No wheel is made for {target}. There is: {', '.join(PLATFORMS)}; choose by --platform.")


def pack(work: native.Workspace, program: native.Program, folder: Path) -> Path:
    """
    Build *program* if needed, and return its wheel in *folder*, packed again only after a change.

    Raises:
        ToolchainError: Go is missing or too old.
        BuildError: ``go build`` failed, or a linked module has no licence.
    """
    target = native.toolchain(work, program).split()[1]
    built = native.build(work, program)
    wheel = Wheel(program=program.name, version=f"{built.version}+{LOCAL}", tags=PLATFORMS[platform_of(target)][1])
    generator = f"whatsself-otel native/wheels.py ({built.key}-{_own_hash()})"
    path = folder / wheel.file_name
    if _generator(path, wheel) == generator:
        native.say(f"{wheel.file_name}: unchanged")
        return path
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{wheel.package}-*-py3-none-{wheel.tags}.whl"):
        old.unlink()
    licences = _licences(work, program, [Path(each) for each in built.binaries.values()])
    unfinished = path.with_suffix(".unfinished")
    _write(unfinished, wheel, _entries(wheel, built, licences, generator))
    unfinished.replace(path)
    native.say(f"{wheel.file_name}: packed, {path.stat().st_size / 1e6:.1f} MB")
    return path


def _own_hash() -> str:
    return hashlib.sha256(Path(__file__).read_bytes().replace(b"\r\n", b"\n")).hexdigest()[:8]


def _generator(path: Path, wheel: Wheel) -> str | None:
    if not path.is_file():
        return None
    with zipfile.ZipFile(path) as packed:
        found = re.search(r"^Generator: (.*)$", packed.read(f"{wheel.information}/WHEEL").decode(), re.MULTILINE)
    return found[1] if found else None


def _entries(
    wheel: Wheel, built: native.Build, licences: Mapping[str, str], generator: str
) -> Iterable[tuple[str, bytes, int]]:
    """Yield name, content and mode of each file, the record apart."""
    names = ", ".join(built.binaries)
    about = f'"""{names}: whatsself-otel finds them in this folder."""\n'
    yield f"{wheel.package}/__init__.py", about.encode(), _PLAIN
    for path in map(Path, built.binaries.values()):
        # pip keeps the mode that the archive states.
        yield f"{wheel.package}/{path.name}", path.read_bytes(), _EXECUTABLE
    for name, text in licences.items():
        yield f"{wheel.information}/licenses/{name}", text.encode(), _PLAIN
    yield f"{wheel.information}/METADATA", _metadata(wheel, names, licences).encode(), _PLAIN
    yield f"{wheel.information}/WHEEL", _wheel_file(wheel, generator).encode(), _PLAIN


def _metadata(wheel: Wheel, names: str, licences: Iterable[str]) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {wheel.distribution}",
        f"Version: {wheel.version}",
        f"Summary: {names} for whatsself-otel, built from unchanged sources.",
        "License-Expression: Apache-2.0",
        *(f"License-File: {name}" for name in licences),
        "Requires-Python: >=3.11",
    ]
    return "\n".join([*lines, ""])


def _wheel_file(wheel: Wheel, generator: str) -> str:
    tags = (f"Tag: py3-none-{tag}" for tag in wheel.tags.split("."))
    return "\n".join(["Wheel-Version: 1.0", f"Generator: {generator}", "Root-Is-Purelib: false", *tags, ""])


def _write(path: Path, wheel: Wheel, entries: Iterable[tuple[str, bytes, int]]) -> None:
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content, mode in entries:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.writerow((name, f"sha256={digest}", len(content)))
            archive.writestr(_member(name, mode), content)
        name = f"{wheel.information}/RECORD"
        rows.writerow((name, "", ""))
        archive.writestr(_member(name, _PLAIN), record.getvalue())


def _member(name: str, mode: int) -> zipfile.ZipInfo:
    # The same input gives the same bytes, whenever and wherever it is packed.
    member = zipfile.ZipInfo(name, _BEFORE_1980)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.create_system = 3
    member.external_attr = mode << 16
    return member


def _licences(work: native.Workspace, program: native.Program, binaries: Sequence[Path]) -> dict[str, str]:
    """Return the files under ``licenses/``: the program's own, and one for all modules that it links."""
    modules = linked(work, binaries)
    store = Path(_go(work, "env", "GOMODCACHE").strip())
    own = next(module for module in modules if module.path == program.module)
    files = {path.name: path.read_text("utf-8", errors="replace") for path in _licence_files(store, own)}
    parts = [f"{program.name} contains the modules below, unchanged; each is followed by its licence.\n"]
    for module in modules:
        texts = [path.read_text("utf-8", errors="replace") for path in _licence_files(store, module)]
        if not texts:
            raise native.BuildError(
                f"{module.path} {module.version} is linked into {program.name} and has no licence in {store}. "
                f"Run `go mod download` in {work.source(program)}; if that does not bring one, leave the module out."
            )
        source = f"https://pkg.go.dev/{module.path}@{module.version}"
        parts.append(f"{_RULE}\n{module.path} {module.version}\n{source}\n{_RULE}\n" + "\n".join(texts))
    root = Path(_go(work, "env", "GOROOT", cwd=work.source(program)).strip())
    parts.append(f"{_RULE}\nGo's standard library\nhttps://go.dev\n{_RULE}\n{(root / 'LICENSE').read_text('utf-8')}")
    return {**files, "THIRD-PARTY-NOTICES.txt": "\n".join(parts)}


def linked(work: native.Workspace, binaries: Sequence[Path]) -> list[Module]:
    """Return the modules that Go says are linked into any of *binaries*, ours apart, by path."""
    found = set()
    for binary in binaries:
        lines = [line.split("\t")[1:] for line in _go(work, "version", "-m", str(binary)).splitlines()]
        for line, following in zip(lines, [*lines[1:], []], strict=True):
            kind, path, version, *_ = [*line, "", "", ""]
            # A replaced module is followed by what stands in its place.
            if following[:1] == ["=>"] or kind not in {"mod", "dep", "=>"} or version == "(devel)":
                continue
            found.add(Module(path=path, version=version))
    return sorted(found, key=lambda module: (module.path, module.version))


def _licence_files(store: Path, module: Module) -> list[Path]:
    folder = store / _escaped(f"{module.path}@{module.version}")
    return sorted(path for path in folder.glob("*") if _LICENCE.fullmatch(path.name) and path.is_file())


def _escaped(path: str) -> str:
    """Return *path* as Go writes it on disks that do not tell capitals apart."""
    return re.sub("[A-Z]", lambda found: f"!{found[0].lower()}", path)


def _go(work: native.Workspace, *words: str, cwd: Path | None = None) -> str:
    return subprocess.run((work.go, *words), cwd=cwd, check=True, capture_output=True, text=True).stdout  # noqa: S603


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, prog="native/wheels.py", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [program.name for program in PACKED]
    parser.add_argument("--only", action="append", metavar="NAME", choices=names, help="repeatable")
    parser.add_argument("--platform", action="append", choices=list(PLATFORMS), help="repeatable")
    parser.add_argument("--out", type=Path, default=OUTPUT, metavar="DIR", help="default: build/wheels")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see the module's text for arguments and exit status."""
    arguments = _arguments(argv)
    try:
        for platform in arguments.platform or [None]:
            for program in (each for each in PACKED if not arguments.only or each.name in arguments.only):
                print(pack(workspace(platform), program, arguments.out))
    except native.ToolchainError as error:
        native.say(str(error))
        return 3
    except native.BuildError as error:
        native.say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
