"""The hooks of the documentation site, in tools/, adapt a page as its reader needs it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

TOOLS = Path(__file__).parents[3] / "tools"


def hook(name: str) -> Any:
    """Imports a hook, which is no part of a package."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(markdown: str, *, repo_url: str | None = None) -> Any:
    """Returns what the site makes of a page in docs/guides/."""
    return hook("site_pages").on_page_markdown(
        markdown,
        page=SimpleNamespace(file=SimpleNamespace(src_uri="guides/page.md")),
        config=SimpleNamespace(repo_url=repo_url),
        files=None,
    )


def test_hidden_lines_and_attributes_of_rust_blocks_are_not_shown() -> None:
    block = "```rust,no_run\n# use a::B;\n#\n#[derive(Debug)]\nstruct C;\n    # hidden();\n```"
    assert page(block) == "```rust\n#[derive(Debug)]\nstruct C;\n```"


def test_comment_in_a_python_block_is_shown() -> None:
    block = "```python\n# a comment\n```"
    assert page(block) == block


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("[attach.py](../../examples/attach.py)", "`examples/attach.py`"),
        ("[a table](../../tests/layers.rs#L1)", "a table (`tests/layers.rs`)"),
        ("[a page](../reference/python.md)", "[a page](../reference/python.md)"),
    ],
)
def test_link_out_of_the_pages_is_a_path_without_a_repository(link: str, shown: str) -> None:
    assert page(link) == shown


def test_link_out_of_the_pages_leads_to_the_repository() -> None:
    linked = page("[attach.py](../../examples/attach.py)", repo_url="https://host.example/qtloop/")
    assert linked == "[attach.py](https://host.example/qtloop/blob/main/examples/attach.py)"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (2.2508e-07, "s", "225 ns"),
        (-2.4e-4, "s", "-240 µs"),
        (1.5, "seconds", "1.50 s"),
        (0, "s", "0"),
        (1577, "B", "1.54 KiB"),
        (3.59e9, "bytes-per-second", "3.59 GB/s"),
        (266, "count", "266"),
    ],
)
def test_figure_has_three_digits_and_its_unit(value: float, unit: str, shown: str) -> None:
    assert hook("site_figures").quantity(value, unit) == shown


def test_other_loops_are_multiples_of_the_own_figure() -> None:
    figures = {
        "qtloop": {"median": 2e-6, "ratio": 1.0},
        "slow": {"median": 8e-6, "ratio": 0.25},
    }
    rows = {"a call": {"unit": "s", "loops": figures}}
    table = hook("site_figures").table({"groups": {"calls": {"rows": rows}}}, "calls")
    assert table.splitlines()[0] == "|  | qtloop | slow |"
    assert table.splitlines()[2] == "| a call | 2.00 µs | 4.00 × |"  # noqa: RUF001
