"""The pytest plugin of qtloop: async tests in a `QEventLoop`, and virtual time.

pytest imports this module in each of its runs where qtloop is installed. So it is outside of the
package `qtloop`, whose import loads Qt.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import qtloop


@dataclass
class _Test:
    """The test that runs."""

    clock: qtloop.VirtualClock | None = None
    is_clock_used: bool = False


_test = _Test()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("qtloop", "Run each async test in a qtloop.QEventLoop.", type="bool")


@pytest.hookimpl(trylast=True)  # the fixtures of a later plugin replace those of an earlier one
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "virtual_clock(start=0.0, idle=0.05): arguments of the fixture `virtual_clock`."
    )
    if not config.getini("qtloop"):
        return
    plugins = config.pluginmanager
    if plugins.has_plugin("asyncio") and not hasattr(config.hook, "pytest_asyncio_loop_factories"):
        raise pytest.UsageError(
            "`qtloop = true` needs pytest-asyncio 1.4 or newer: pip install -U pytest-asyncio"
        )
    from . import async_tests

    plugins.register(async_tests)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    _test.clock, _test.is_clock_used = None, False
    if "virtual_clock" in getattr(item, "fixturenames", ()):
        import qtloop

        marker = item.get_closest_marker("virtual_clock")
        args, kwargs = (marker.args, marker.kwargs) if marker else ((), {})
        _test.clock = qtloop.VirtualClock(*args, **kwargs)


def _is_async(item: Any) -> bool:
    return inspect.iscoroutinefunction(getattr(item, "function", None))


def new_event_loop() -> qtloop.QEventLoop:
    """Returns a new loop, with the clock of the fixture `virtual_clock` if the test uses that."""
    import qtloop

    clock = None if _test.is_clock_used else _test.clock
    _test.is_clock_used = True
    return qtloop.QEventLoop(clock=clock)


@pytest.fixture
def virtual_clock(request: pytest.FixtureRequest) -> Iterator[qtloop.VirtualClock]:
    """The clock of the test's loop: a `qtloop.VirtualClock`.

    The marker `virtual_clock` has its arguments: `@pytest.mark.virtual_clock(start=1.7e9)`.
    """
    clock = _test.clock
    if clock is None:
        pytest.fail("virtual_clock is no fixture for getfixturevalue(): make it an argument")
    yield clock
    if _is_async(request.node) and not _test.is_clock_used:
        pytest.fail(
            "virtual_clock had no effect, because the test has not made its own QEventLoop: write "
            "`qtloop = true` in pytest.ini, and use the loop scope `function`"
        )


@pytest.fixture
def qt_loop(request: pytest.FixtureRequest) -> Iterator[qtloop.QEventLoop]:
    """A loop that is attached to Qt during the test, for a plain function: `qtloop.attach()`.

    It has virtual time if the test uses the fixture `virtual_clock`, too.
    """
    import qtloop

    if _is_async(request.node):
        pytest.fail("qt_loop is for plain functions: an async test has asyncio.get_running_loop()")
    make_application(request)
    with qtloop.attach(clock=_test.clock) as loop:
        yield loop


def make_application(request: pytest.FixtureRequest) -> None:
    """Makes pytest-qt's application, if that plugin is installed, before the loop makes another."""
    if request.config.pluginmanager.has_plugin("pytest-qt"):
        application = request.getfixturevalue("qapp")
        # A window that a test closes must not end its run.
        application.setQuitOnLastWindowClosed(False)
