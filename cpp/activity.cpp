// An activity: an event filter on the application and a slot of the dispatcher's aboutToBlock.
//
// The signal awake does not show that a thread is busy: a dispatcher emits it only with the next
// pass, after the event handlers of this one have run.
#include "activity.h"

#include <QtCore/QAbstractEventDispatcher>
#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QObject>
#include <QtCore/QPointer>
#include <QtCore/QThread>

struct QtloopActivity final : QObject
{
    enum State { Outside, Waiting, Busy };

    QtloopActivity(void (*notify)(int), int turns)
      : notify(notify)
      , turns(turns)
    {
        if (turns > 0 || thread()->loopLevel() > 0)
            state = Busy;
        watch();
    }

    // Watches the application and the dispatcher of this thread, if they are not watched already.
    void watch()
    {
        auto* instance = QCoreApplication::instance();
        if (instance != app && instance && instance->thread() == thread()) {
            app = instance;
            windows_changed = true;
            instance->installEventFilter(this);
            connect(instance, &QCoreApplication::aboutToQuit, this, [this] {
                quits = true;
                leave();
            });
        }
        auto* current = QAbstractEventDispatcher::instance();
        if (current != dispatcher && current) {
            if (dispatcher)
                disconnect(dispatcher, nullptr, this, nullptr);
            dispatcher = current;
            connect(current, &QAbstractEventDispatcher::aboutToBlock, this, &QtloopActivity::wait);
        }
    }

    void begin()
    {
        state = Busy;
        notify(QtloopActivityBegins);
    }

    void progress()
    {
        if (state == Busy)
            notify(QtloopActivityProgresses);
    }

    void wait()
    {
        quits = false;
        if (state != Waiting) {
            state = Waiting;
            notify(QtloopActivityWaits);
        }
    }

    void leave()
    {
        if (state != Outside) {
            state = Outside;
            notify(QtloopActivityLeaves);
        }
    }

    // The last event of a Qt event loop is followed by no aboutToBlock. So an event begins nothing
    // outside of an event loop, or while the application quits.
    bool may_begin() const
    {
        return !quits && thread()->loopLevel() > 0;
    }

    bool eventFilter(QObject* receiver, QEvent* event) override
    {
        if (state != Busy && may_begin())
            begin();
        if (event->type() == QEvent::Show || event->type() == QEvent::Hide)
            windows_changed = true;
        if (each)
            each(receiver->metaObject()->className(), event->type());
        return false;
    }

    bool event(QEvent* event) override
    {
        if (event->type() != ping_type())
            return QObject::event(event);
        progress();
        return true;
    }

    static QEvent::Type ping_type()
    {
        static const auto type = QEvent::Type(QEvent::registerEventType());
        return type;
    }

    void (*notify)(int);
    void (*each)(const char*, int) = nullptr;
    QPointer<QCoreApplication> app;
    QPointer<QAbstractEventDispatcher> dispatcher;
    State state = Outside;
    bool quits = false;
    bool windows_changed = false;
    int turns;
};

extern "C" {

QtloopActivity* qtloop_activity_new(void (*notify)(int), int turns) noexcept
{
    return new QtloopActivity(notify, turns);
}

void qtloop_activity_free(QtloopActivity* activity) noexcept
{
    delete activity;
}

void qtloop_activity_set_event(QtloopActivity* activity, void (*event)(const char*, int)) noexcept
{
    activity->each = event;
}

bool qtloop_activity_is_busy(const QtloopActivity* activity) noexcept
{
    return activity->state == QtloopActivity::Busy;
}

bool qtloop_activity_take_windows(QtloopActivity* activity) noexcept
{
    bool changed = activity->windows_changed;
    activity->windows_changed = false;
    return changed;
}

void qtloop_activity_turn_begins(QtloopActivity* activity) noexcept
{
    ++activity->turns;
    activity->watch();
    if (activity->state == QtloopActivity::Busy)
        activity->progress();
    else
        activity->begin();
}

void qtloop_activity_turn_ends(QtloopActivity* activity) noexcept
{
    if (--activity->turns == 0 && !activity->may_begin())
        activity->leave();
}

void qtloop_activity_loop_returned(QtloopActivity* activity) noexcept
{
    if (activity->turns == 0 && !activity->may_begin())
        activity->leave();
}

void qtloop_activity_ping(QtloopActivity* activity) noexcept
{
    QCoreApplication::postEvent(activity, new QEvent(QtloopActivity::ping_type()), Qt::HighEventPriority);
}

} // extern "C"
