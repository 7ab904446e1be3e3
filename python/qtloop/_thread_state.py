"""The thread state that a run sets and restores: running loop, hooks and signal wake-ups."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from . import _attachment, _binding, _native, _wakeup_fd
from ._asyncio_private import get_running_loop, set_running_loop
from ._base import BaseLoop


class ThreadStateMixin(BaseLoop):
    """The part of the loop that makes it the running loop of its thread."""

    _nest_patched = True  # makes nest_asyncio leave the methods of this class unchanged

    @contextmanager
    def _as_running_loop(self) -> Iterator[None]:
        """Makes this the running loop for a block, with its hooks and signal wake-ups."""
        self._check_closed()
        self._check_running()
        self._ensure_application()
        with ExitStack() as undo:
            was_tracking = self._coroutine_origin_tracking_enabled
            undo.callback(self._set_coroutine_origin_tracking, was_tracking)
            self._set_coroutine_origin_tracking(self._debug)
            undo.callback(sys.set_asyncgen_hooks, *sys.get_asyncgen_hooks())
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook,
                finalizer=self._asyncgen_finalizer_hook,
            )
            undo.callback(set_running_loop, get_running_loop())
            set_running_loop(self)
            undo.callback(setattr, self, "_is_owned", self._is_owned)
            self._is_owned = True  # the code around this block raises a fatal exception
            undo.callback(self._restore_thread, self._thread_id)
            self._thread_id = threading.get_ident()
            undo.enter_context(_wakeup_fd.woken_by_signals(self))
            yield

    def _restore_thread(self, before: int | None) -> None:
        self._stopping = False
        self._thread_id = before

    def _enter_attach(self) -> None:
        """Makes this the running loop of the thread until the loop is closed."""
        with ExitStack() as stack:
            stack.enter_context(self._as_running_loop())
            _attachment.attach(self)
            self._attach_state = stack.pop_all()

    def _exit_attach(self) -> None:
        if self._attach_state is not None:
            state, self._attach_state = self._attach_state, None
            state.close()

    def _check_running(self) -> None:
        # Inside attach(), run_forever() may be called while no Qt loop runs.
        if self._attach_state is None or _native.level() > 0 or self._depth() > 0:
            running = get_running_loop()
            if running is not None and running is not self:
                raise RuntimeError(
                    "Cannot run the event loop while another loop is running: "
                    f"{running!r} is; await in it, or run this loop in a thread of its own"
                )
            super()._check_running()

    def _ensure_application(self) -> None:
        """Makes an application if there has been none. RuntimeError if the loop's was destroyed."""
        if _native.app_exists():
            return
        if self._was_attached:
            raise RuntimeError(
                "there is no QCoreApplication: make one before the loop runs, "
                "and keep it while it does"
            )
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "there is no QCoreApplication: make one in the main thread "
                "before a QEventLoop runs in another thread"
            )
        _binding.make_application()

    def remove_signal_handler(self, sig: int) -> bool:
        """Removes a handler of `add_signal_handler()`. Returns whether there was one."""
        removed = super().remove_signal_handler(sig)
        if removed and _wakeup_fd.is_woken_by_signals(self):
            _wakeup_fd.set_for(self)
        return removed
