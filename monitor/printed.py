"""What a program printed of what it received, back to JSON: Python's ``b'…'`` and ``{'id': None}``, JavaScript's ``{ id: 'x', at: undefined }``; and what a
person wrote into an example: remarks, and a comma too many. Pure.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 1024 * 1024

_document = re.compile(rb"(?:^|(?<=[ =:(]))(?:\[\s*)?\{'\w")
"""Where a document begins that Python printed."""
_literal = re.compile(r"""b?(["'])(.*)\1""", re.DOTALL)
_escaped = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "b": "\b", "f": "\f", "v": "\v"}

_object = re.compile(r"(?:^|(?<=[\s=:(]))(?:\[\s*)?\{\s*(?:[A-Za-z_$][\w$]*|'[^'\n]{1,80}')\s*:\s")
"""Where a document begins that JavaScript printed."""
_token = re.compile(
    r"""\s+|(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)"""
    r"""|(?P<hidden>\[(?:Object|Array|Function|Circular|Getter|Symbol|class)\b[^\]]*\]|<[^>\n]*>|\.\.\.\ \d+\ more\ \w+)"""
    r"""|(?P<date>\d{4}-\d\d-\d\dT[\d:.]+Z)|(?P<number>-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)n?|(?P<word>[A-Za-z_$][\w$]*)|(?P<mark>[{}\[\]:,+])""",
    re.DOTALL,
)
_remark = re.compile(rb'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_comma = re.compile(rb'"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])', re.DOTALL)
_WORDS: Final = {"true": "true", "false": "false"}


def in_python(text: bytes) -> list[bytes]:
    r"""The bytes that Python wrote as ``b'…\r\n'``, a text that it wrote in quotes, or a document as ``{'id': None}``, also behind a log's words."""
    printed = _document.search(text)
    if printed is not None and len(text) <= LONGEST:
        end = max(text.rfind(b"}"), text.rfind(b"]")) + 1
        try:
            return [orjson.dumps(ast.literal_eval(text[printed.start() : end].decode()))]
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return []
    if text[:1] not in (b"b", b"'"):
        return []
    found = _literal.fullmatch(text.decode("utf-8", "replace"))
    if found is None:
        return []
    content = _unescaped(found[2])
    try:
        return [content.encode("latin-1" if text[:1] == b"b" else "utf-8")]
    except UnicodeEncodeError:
        return [content.encode("utf-8", "replace")]


def in_javascript(text: bytes) -> list[bytes]:
    """The document that ``console.log`` wrote, also behind words; what it left out (``[Object]``, ``undefined``) is null."""
    written = text.decode("utf-8", "replace") if len(text) <= LONGEST else ""
    begin = _object.search(written)
    if begin is None:
        return []
    parts = list(_parts(written, begin.start()))
    joined = re.sub(r",(?=[}\]])", "", "".join(parts))
    try:
        return [orjson.dumps(orjson.loads(joined))]
    except (ValueError, TypeError):
        return []


def without_remarks(text: bytes) -> list[bytes]:
    """The document without ``// …`` and ``/* … */`` and without commas before its brackets; empty when it is none even so."""
    if len(text) > LONGEST or text[:1] not in (b"{", b"["):
        return []
    bare = _comma.sub(_kept, _remark.sub(_kept, text))
    try:
        return [orjson.dumps(orjson.loads(bare))]
    except (ValueError, TypeError):
        return []


def _kept(found: re.Match[bytes]) -> bytes:
    """Strings stay as they are, whatever is in them."""
    return found[0] if found[0][:1] == b'"' else b" "


def _parts(text: str, at: int) -> Iterator[str]:
    """The tokens of one document as JSON has them, up to its end."""
    depth = 0
    held: str | None = None
    """A string that another may be added to, as older versions break long ones."""
    adding = False
    while found := _token.match(text, at):
        at = found.end()
        kind = found.lastgroup
        if kind is None:
            continue
        if kind == "string":
            words = _unescaped(found["string"][1:-1])
            held = (held or "") + words if adding else words
            adding = False
            if not text[at : at + 80].lstrip().startswith("+"):
                yield _quoted(held)
                held = None
        elif found["mark"] == "+":
            adding = True
        elif kind == "mark":
            depth += (found["mark"] in "{[") - (found["mark"] in "}]")
            yield found["mark"]
            if depth == 0:
                return
        elif kind == "date":
            yield _quoted(found["date"])
        elif kind == "number":
            yield found["number"]
        elif text[at : at + 80].lstrip()[:1] == ":":  # a key
            yield _quoted(found[0])
        elif text[at : at + 80].lstrip()[:1] not in ("{", "["):  # else the name of a class before its content
            yield _WORDS.get(found[0], "null")


def _quoted(text: str) -> str:
    return orjson.dumps(text.encode("utf-8", "replace").decode()).decode()


def _unescaped(text: str) -> str:
    def one(escape: re.Match[str]) -> str:
        word = escape[1]
        return chr(int(word[1:], 16)) if len(word) > 1 else _ESCAPES.get(word, word)

    return _escaped.sub(one, text)
