"""The models of the callbacks, the timers and the watched descriptors."""

from __future__ import annotations

from typing import Any, ClassVar

from ._rows import Cell, Column, RowsModel
from ._source import Callback, Timer, Watch
from ._text import Place, duration, number


class RecordsModel(RowsModel):
    """A table of records, which are sorted and filtered by the columns' values."""

    first_sort: ClassVar[tuple[str, bool]] = ("", False)

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[Any, Any] = {}
        self._words: list[str] = []
        self._sort, self._is_reversed = self.first_sort

    def update(self, records: dict[Any, Any]) -> None:
        """Takes the records by their keys."""
        self._records = records
        self._arrange()

    def find(self, words: str) -> None:
        """Shows the records whose texts contain each word."""
        self._words = words.lower().split()
        self._arrange()

    def sort_by(self, name: str, is_reversed: bool) -> None:
        """Sorts by a column; an empty name is the table's own order."""
        self._sort, self._is_reversed = (name, is_reversed) if name else self.first_sort
        self._arrange()

    def value(self, record: Any, name: str) -> Any:
        """Returns the value by which a column sorts."""
        return getattr(record, name)

    def haystack(self, record: Any) -> str:
        """Returns the text in which `find()` looks."""
        raise NotImplementedError

    def _arrange(self) -> None:
        records = self._records
        keys = list(records)
        if self._words:
            keys = [key for key in keys if self._accepts(records[key])]
        if self._sort:
            keys.sort(
                key=lambda key: self.value(records[key], self._sort), reverse=self._is_reversed
            )
        self.arrange(keys)

    def _accepts(self, record: Any) -> bool:
        text = self.haystack(record).lower()
        return all(word in text for word in self._words)

    def place(self, key: Any) -> Place | None:
        """Returns the place of the record."""
        place: Place = self._records[key].place
        return place if place.file else None


def _place_cell(place: Place) -> Cell:
    return Cell(place.short(), "muted")


class CallbacksModel(RecordsModel):
    """The jobs of each code location since the inspector was opened."""

    first_sort = ("total", True)
    columns: ClassVar = (
        Column("function", "Callback", 280, "text", "A coroutine counts all steps of its tasks", 2),
        Column("place", "Defined at", 220, "place", "", 1),
        Column("jobs", "Count", 90, "number"),
        Column("total", "Total", 90, "number", "The time of all jobs, with their dialogs"),
        Column("mean", "Mean", 90, "number"),
        Column("worst", "Worst", 90, "number", "The longest job"),
    )

    def show(self, callbacks: list[Callback]) -> None:
        """Shows the callbacks."""
        self.update({each.place: each for each in callbacks})

    def value(self, record: Callback, name: str) -> Any:
        """Returns the value by which a column sorts."""
        if name == "function":
            return record.place.function.lower()
        if name == "mean":
            return record.total / max(record.jobs, 1)
        return getattr(record, name)

    def haystack(self, record: Callback) -> str:
        """Returns the function and the path."""
        return f"{record.place.function} {record.place.file}"

    def make_cells(self, key: Any) -> tuple[Cell, ...]:
        """Returns the cells of a code location."""
        place, jobs, total, worst = self._records[key]
        return (
            Cell(place.function or "?"),
            _place_cell(place) if place.file else Cell("C code", "muted"),
            Cell(number(jobs)),
            Cell(duration(total)),
            Cell(duration(total // max(jobs, 1))),
            Cell(duration(worst), "warn" if worst >= 50_000_000 else "text"),
        )

    def hint(self, key: Any, column: int) -> str:
        """Returns the path of the place."""
        return self._records[key].place.full() if column == 1 else ""


class TimersModel(RecordsModel):
    """The timers that wait."""

    columns: ClassVar = (
        Column("remaining", "Due in", 110, "number"),
        Column("what", "Calls", 240, "text", "", 2),
        Column("task", "For the task", 200, "text", "The task that it wakes or interrupts", 2),
        Column("place", "At", 220, "place", "Where that task waits, or the callback begins", 1),
    )

    def show(self, timers: list[Timer]) -> None:
        """Shows the timers."""
        self.update({each.key: each for each in timers})

    def haystack(self, record: Timer) -> str:
        """Returns the callback, the task and the path."""
        return f"{record.what} {record.task} {record.place.file}"

    def make_cells(self, key: Any) -> tuple[Cell, ...]:
        """Returns the cells of a timer."""
        timer: Timer = self._records[key]
        return (
            Cell(duration(timer.remaining) if timer.remaining > 0 else "due"),
            Cell(timer.what),
            Cell(timer.task),
            _place_cell(timer.place),
        )


class WatchesModel(RecordsModel):
    """The watched directions of file descriptors."""

    columns: ClassVar = (
        Column("fd", "Descriptor", 90, "number"),
        Column("writer", "Direction", 90, "text"),
        Column("file", "File", 220, "text", "", 2),
        Column("what", "Calls", 240, "text", "", 2),
        Column("place", "Defined at", 200, "place", "", 1),
    )

    def show(self, watches: list[Watch]) -> None:
        """Shows the watches."""
        self.update({(each.fd, each.writer): each for each in watches})

    def haystack(self, record: Watch) -> str:
        """Returns the number, the file and the callback."""
        return f"{record.fd} {record.file} {record.what}"

    def make_cells(self, key: Any) -> tuple[Cell, ...]:
        """Returns the cells of a watch."""
        watch: Watch = self._records[key]
        return (
            Cell(str(watch.fd)),
            Cell("writes" if watch.writer else "reads", "muted"),
            Cell(watch.file),
            Cell(watch.what),
            _place_cell(watch.place),
        )
