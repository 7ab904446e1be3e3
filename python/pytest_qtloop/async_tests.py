"""With `qtloop = true`: the loop of the tests of pytest-asyncio, of anyio, and of all others."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from . import make_application, new_event_loop

if TYPE_CHECKING:
    import qtloop


@pytest.fixture(scope="session", autouse=True)
def _qtloop_application(request: pytest.FixtureRequest) -> None:
    make_application(request)


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], qtloop.QEventLoop]]:
    return {"qtloop": new_event_loop}


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": new_event_loop}


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs an async test that no other plugin runs."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with new_event_loop() as loop:
        loop.run_until_complete(pyfuncitem.obj(**arguments))
    return True
