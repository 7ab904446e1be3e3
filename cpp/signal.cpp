// Connections to any signal, by index and without moc. Arguments are copied on the emitting thread.
//
// Qt::AutoConnection would queue a QObject* argument as a plain pointer, which dangles if the
// emitting thread destroys the object before the event is delivered. So every connection is direct,
// copies the arguments at once, and posts the copy to the thread of the connection.
//
// A direct connection is called on the emitting thread, without a lock and also while another
// thread disconnects it. So there are three objects: the Tap is the receiver that Qt calls, and is
// never freed; the Line is the reference-counted state that both threads share; the
// QtloopConnection calls the callback, and lives on the thread of the connection.
#include "signal.h"

#include "type.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QMetaMethod>
#include <QtCore/QMetaObject>
#include <QtCore/QObject>
#include <QtCore/QPointer>
#include <QtCore/QThread>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace {

using List = std::unique_ptr<QVariantList>;

// An emission on another thread; without a list, the destruction of the sender.
struct Emission final : QEvent
{
    explicit Emission(List list)
      : QEvent(QEvent::User)
      , list(std::move(list))
    {
    }

    List list;
};

// The part of a connection that emitting threads use.
struct Line final
{
    std::atomic<QtloopConnection*> connection{ nullptr };
    QThread* home = nullptr;
    QByteArray signal;
    QList<QtloopType> types;
    // The signal is destroyed(QObject*): a QPointer cannot refer to its argument any more.
    bool is_end = false;
    // Guards `connection` between threads: another thread locks it to use `connection`, and
    // `connection`'s own thread only to reset it.
    std::mutex mutex;
    // Emissions that were posted and are not yet delivered.
    std::atomic<int> posted{ 0 };

    void emitted(void** arguments);
    void ended();
    void post(List list);
    QVariant kept(QtloopType type, const void* argument) const;
};

// The receiver of one direct connection at a time. It is used again for the next connection and
// never freed, because another thread may be about to call it at any time. The index of the slot
// counts the connections, so that a late call for an earlier connection is recognised.
struct Tap final : QObject
{
    // Qt stores the index in 16 bits.
    static constexpr int Uses = 0x7fff;

    Tap()
    {
        moveToThread(nullptr);
    }

    int qt_metacall(QMetaObject::Call call, int id, void** arguments) override
    {
        id = QObject::qt_metacall(call, id, arguments);
        if (id < 0 || call != QMetaObject::InvokeMetaMethod)
            return id;
        std::shared_ptr<Line> now;
        {
            const std::lock_guard lock(mutex);
            if (id == use)
                now = line;
        }
        if (now)
            now->emitted(arguments);
        return -1;
    }

    std::mutex mutex;
    int use = 0;
    std::shared_ptr<Line> line;
};

// The taps that no connection uses. A worn tap has used all its slot indexes, and is only kept.
struct Taps final
{
    Tap* take(std::shared_ptr<Line> line)
    {
        Tap* tap = nullptr;
        {
            const std::lock_guard lock(mutex);
            if (!free.empty()) {
                tap = free.back();
                free.pop_back();
            }
        }
        if (!tap)
            tap = new Tap;
        const std::lock_guard lock(tap->mutex);
        tap->line = std::move(line);
        return tap;
    }

    void give_back(Tap* tap)
    {
        std::shared_ptr<Line> line;
        bool is_worn = false;
        {
            const std::lock_guard lock(tap->mutex);
            line.swap(tap->line);
            is_worn = ++tap->use == Tap::Uses;
        }
        const std::lock_guard lock(mutex);
        (is_worn ? worn : free).push_back(tap);
    }

    // Never destroyed: threads may emit signals while static objects are destroyed.
    static Taps& all()
    {
        static Taps* taps = new Taps;
        return *taps;
    }

    std::mutex mutex;
    std::vector<Tap*> free;
    std::vector<Tap*> worn;
};

} // namespace

struct QtloopConnection final : QObject
{
    QtloopConnection(QObject* object, const QMetaMethod& method, void (*callback)(void*, QVariantList*), void* data)
      : line(std::make_shared<Line>())
      , callback(callback)
      , data(data)
    {
        line->connection = this;
        line->home = thread();
        line->signal = QByteArray(method.name().constData());
        for (int index = 0; index < method.parameterCount(); ++index)
            line->types.append(qtloop_parameter_type(object, method, index));
        line->is_end = method == QMetaMethod::fromSignal(&QObject::destroyed);
        tap = Taps::all().take(line);
        emissions = QMetaObject::connect(object,
                                         method.methodIndex(),
                                         tap,
                                         QObject::staticMetaObject.methodCount() + tap->use,
                                         Qt::DirectConnection,
                                         nullptr);
        end = QObject::connect(object, &QObject::destroyed, [line = line] { line->ended(); });
    }

    // Disconnects; idempotent.
    void close()
    {
        if (!tap)
            return;
        callback = nullptr;
        QObject::disconnect(emissions);
        QObject::disconnect(end);
        Taps::all().give_back(std::exchange(tap, nullptr));
        const std::lock_guard lock(line->mutex);
        line->connection = nullptr;
    }

    bool event(QEvent* event) override
    {
        if (event->type() != QEvent::User)
            return QObject::event(event);
        --line->posted;
        deliver(std::move(static_cast<Emission*>(event)->list), true);
        return true;
    }

    // Calls the callback, and frees the connection if qtloop_connection_free() was called in it.
    // Without a list, the sender is being destroyed.
    void deliver(List list, bool is_event)
    {
        if (!callback)
            return;
        auto* call = callback;
        // The destruction is the last call, even if another thread emits after it.
        if (!list)
            callback = nullptr;
        ++depth;
        call(data, list.release());
        // Qt uses the receiver of an event after event() has returned.
        if (--depth > 0 || !is_free)
            return;
        if (is_event)
            deleteLater();
        else
            delete this;
    }

    std::shared_ptr<Line> line;
    Tap* tap = nullptr;
    QMetaObject::Connection emissions;
    QMetaObject::Connection end;
    void (*callback)(void*, QVariantList*);
    void* data;
    int depth = 0;
    bool is_free = false;
};

void Line::emitted(void** arguments)
{
    List list(new QVariantList);
    list->reserve(types.size());
    for (int index = 0; index < types.size(); ++index)
        list->append(kept(types[index], arguments[index + 1]));
    if (QThread::currentThread() != home)
        post(std::move(list));
    else if (auto* near = connection.load())
        near->deliver(std::move(list), false);
}

void Line::ended()
{
    if (QThread::currentThread() != home) {
        post(nullptr);
        return;
    }
    // Emissions of other threads that came first are delivered before the destruction.
    if (connection && posted > 0)
        QCoreApplication::sendPostedEvents(connection, QEvent::User);
    if (auto* near = connection.load())
        near->deliver(nullptr, false);
}

void Line::post(List list)
{
    const std::lock_guard lock(mutex);
    if (!connection)
        return;
    ++posted;
    QCoreApplication::postEvent(connection, new Emission(std::move(list)));
}

QVariant Line::kept(QtloopType type, const void* argument) const
{
    if (type.id() == QMetaType::QVariant)
        return *static_cast<const QVariant*>(argument);
    if (!(type.flags() & QMetaType::PointerToQObject))
        return qtloop_value(type, argument);
    auto* object = is_end ? nullptr : *static_cast<QObject* const*>(argument);
    // An object's own thread may destroy it at any time, so a pointer is of use on that thread
    // only.
    return QVariant::fromValue(QPointer<QObject>(object && object->thread() == home ? object : nullptr));
}

extern "C" {

QtloopConnection* qtloop_connection_new(QObject* object,
                                        int signal,
                                        void (*callback)(void*, QVariantList*),
                                        void* data) noexcept
{
    const QMetaMethod method = object->metaObject()->method(signal);
    return method.methodType() == QMetaMethod::Signal ? new QtloopConnection(object, method, callback, data) : nullptr;
}

void qtloop_connection_free(QtloopConnection* connection) noexcept
{
    connection->close();
    connection->is_free = true;
    if (connection->depth == 0)
        delete connection;
}

int qtloop_connection_parameters(const QtloopConnection* connection) noexcept
{
    return int(connection->line->types.size());
}

int qtloop_connection_type(const QtloopConnection* connection, int parameter) noexcept
{
    return connection->line->types.value(parameter).id();
}

const char* qtloop_connection_signal(const QtloopConnection* connection) noexcept
{
    return connection->line->signal.constData();
}

void qtloop_arguments_free(QVariantList* arguments) noexcept
{
    delete arguments;
}

} // extern "C"
