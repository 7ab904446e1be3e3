"""Texts of numbers, times and places."""

from __future__ import annotations

import pytest

from qtloop.inspector._text import Place, counted, duration, number


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (-5, "0"),
        (0, "0"),
        (999, "< 1 µs"),
        (38_000, "38 µs"),
        (999_400, "999 µs"),
        (999_600, "1.0 ms"),
        (4_120_000, "4.1 ms"),
        (9_960_000, "10 ms"),
        (230_000_000, "230 ms"),
        (999_600_000, "1.0 s"),
        (4_200_000_000, "4.2 s"),
        (59_400_000_000, "59 s"),
        (59_600_000_000, "1 min 00 s"),
        (125_000_000_000, "2 min 05 s"),
        (3_599_900_000_000, "60 min 00 s"),
        (11_100_000_000_000, "3 h 05 min"),
    ],
)
def test_duration_has_two_digits_or_three(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_counts_have_thousands_and_millions() -> None:
    assert [number(each) for each in (0, 1234, 12_345_678)] == ["0", "1,234", "12.3 M"]
    assert (counted(1, "task"), counted(2000, "timer")) == ("1 task", "2,000 timers")


def test_place_of_c_code_has_no_file() -> None:
    assert (Place("", 0, "recv").short(), Place("", 0, "recv").full()) == ("", "")
    assert Place("/src/app.py", 12, "main").short() == "app.py:12"
