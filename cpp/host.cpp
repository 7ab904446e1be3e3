// A host (a QSocketNotifier and a QTimer that call one function) and a nested QEventLoop that can
// outlast Qt's quitting.
#include "host.h"

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QEventLoop>
#include <QtCore/QObject>
#include <QtCore/QSocketNotifier>
#include <QtCore/QThread>
#include <QtCore/QTimer>

#include <atomic>

// Constructing a QEventLoop gives a thread that Qt did not start its dispatcher; without one,
// notifiers and timers fail. This is a base class because it must happen before the members below.
struct WithDispatcher
{
    WithDispatcher()
    {
        if (!QAbstractEventDispatcher::instance())
            QEventLoop loop;
    }
};

struct QtloopHost final : WithDispatcher, QObject
{
    QtloopHost(int fd, void (*turn)(void*), void* data)
      : notifier(fd, QSocketNotifier::Read)
      , turn(turn)
      , data(data)
    {
        timer.setTimerType(Qt::PreciseTimer);
        connect(&notifier, &QSocketNotifier::activated, this, [this] {
            if (!yields)
                fire();
        });
        connect(&timer, &QTimer::timeout, this, [this] {
            yields = false;
            fire();
        });
        auto* app = QCoreApplication::instance();
        if (app && app->thread() == thread())
            connect(app, &QCoreApplication::aboutToQuit, this, [this] { ++quits; });
    }

    void fire()
    {
        auto* call = turn.load();
        if (!call)
            return;
        ++depth;
        call(data);
        // Here and not in qtloop_host_free(): a nested event loop would delete it during this call.
        if (--depth == 0 && freed)
            deleteLater();
    }

    // Disables the host: events that Qt has queued for the notifier or the timer are ignored.
    void retire()
    {
        turn = nullptr;
        notifier.setEnabled(false);
        timer.stop();
    }

    QSocketNotifier notifier;
    QTimer timer;
    std::atomic<void (*)(void*)> turn;
    void* data;
    int depth = 0;
    bool freed = false;
    // Armed for "as soon as possible": after all timers that are due before. The notifier would be
    // quicker, and would delay Qt's own timers by one turn.
    bool yields = false;
    unsigned quits = 0;
};

struct QtloopNestedLoop final
{
    QEventLoop loop;
    bool exited = false;
    int code = 0;
};

extern "C" {

QtloopHost* qtloop_host_new(int fd, void (*turn)(void*), void* data) noexcept
{
    return new QtloopHost(fd, turn, data);
}

void qtloop_host_free(QtloopHost* host) noexcept
{
    host->retire();
    host->freed = true;
    if (host->depth == 0)
        delete host;
}

void qtloop_host_silence(QtloopHost* host) noexcept
{
    host->retire();
}

void qtloop_host_retire(QtloopHost* host) noexcept
{
    host->turn = nullptr;
    // The notifier and the timer belong to their thread.
    QMetaObject::invokeMethod(
      host, [host] { host->retire(); }, Qt::QueuedConnection);
}

void qtloop_host_arm(QtloopHost* host, int msec) noexcept
{
    host->yields = msec == 0;
    if (msec < 0)
        host->timer.stop();
    else
        host->timer.start(msec);
}

unsigned qtloop_host_quits(const QtloopHost* host) noexcept
{
    return host->quits;
}

QtloopNestedLoop* qtloop_nested_loop_new() noexcept
{
    return new QtloopNestedLoop;
}

void qtloop_nested_loop_free(QtloopNestedLoop* nested) noexcept
{
    delete nested;
}

int qtloop_nested_loop_exec(QtloopNestedLoop* nested, bool until_exit) noexcept
{
    if (nested->exited)
        return nested->code;
    // Without an application there are no events to wait for.
    if (!QCoreApplication::instance())
        return -1;
    bool entered = false;
    auto* dispatcher = QAbstractEventDispatcher::instance();
    auto note = [&entered] { entered = true; };
    // A dispatcher emits one of the two first in each pass; which one depends on the dispatcher.
    auto awake = QObject::connect(dispatcher, &QAbstractEventDispatcher::awake, dispatcher, note);
    auto block = QObject::connect(dispatcher, &QAbstractEventDispatcher::aboutToBlock, dispatcher, note);
    int code = nested->loop.exec();
    QObject::disconnect(awake);
    QObject::disconnect(block);
    while (!nested->exited && (until_exit || !entered))
        nested->loop.processEvents(QEventLoop::WaitForMoreEvents | QEventLoop::EventLoopExec);
    return nested->exited ? nested->code : code;
}

void qtloop_nested_loop_exit(QtloopNestedLoop* nested, int code) noexcept
{
    nested->exited = true;
    nested->code = code;
    nested->loop.exit(code);
    // exit() wakes only a loop that is in exec(); the pass above may wait in processEvents().
    nested->loop.wakeUp();
}

} // extern "C"
