"""A protocol that opens a dialog."""

from __future__ import annotations

from support.connections import Recorder
from support.modal import Modal


class Asks(Recorder):
    """A protocol that opens a dialog in the first call of one callback, and records its return."""

    def __init__(self, when: str, kind: str = "QEventLoop") -> None:
        super().__init__()
        self.modal = Modal(kind)
        self._when = when

    def note(self, call: str) -> None:
        super().note(call)
        if call == self._when:
            self._when = ""
            self.modal.exec()
            super().note("back")

    async def asked(self) -> None:
        """Waits until the dialog is open."""
        await self.modal.opened.wait()
