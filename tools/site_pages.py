"""Adapts the pages of docs/ for the documentation site.

- A link to a file outside of docs/ is a relative path in the repository. The site does not contain
  the file: there the link leads to `repo_url` of mkdocs.yml, and without one the path is text.
- A Rust block has rustdoc's attributes (`rust,no_run`) and hidden lines (`# use ...`). The site
  shows neither.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>(?:\.\./)+[^)#\s]+)(?:#[^)]*)?\)")
RUST = re.compile(r"^(?P<indent> *)```rust(?:,[\w,=]+)?\n(?P<code>.*?)^(?P=indent)```", re.M | re.S)
HIDDEN = re.compile(r"^ *#(?: .*)?\n", re.M)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Replaces the links that lead out of docs/, and what only rustdoc reads in Rust blocks."""
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def without_hidden_lines(block: re.Match[str]) -> str:
        indent, code = block["indent"], HIDDEN.sub("", block["code"])
        return f"{indent}```rust\n{code}{indent}```"

    def outside(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link["target"]))
        if path.startswith("docs/"):
            return link[0]
        if config.repo_url:
            return f"[{link['text']}]({config.repo_url.rstrip('/')}/blob/main/{path})"
        text = link["text"].strip("`")
        return f"`{path}`" if path.endswith(text) else f"{link['text']} (`{path}`)"

    return LINK.sub(outside, RUST.sub(without_hidden_lines, markdown))
