// A QObject with one slot that takes any signal, as QSignalSpy has it, without moc.
#include "signal.h"

#include <QtCore/QMetaMethod>
#include <QtCore/QMetaObject>
#include <QtCore/QObject>
#include <QtCore/QPointer>
#include <QtCore/QThread>

struct QtloopEar final : QObject
{
    QtloopEar(QObject* object, int signal, void (*heard)(void*, QVariantList*), void* data)
      : heard(heard)
      , data(data)
    {
        const QMetaMethod method = object->metaObject()->method(signal);
        for (int index = 0; index < method.parameterCount(); ++index)
            types.append(method.parameterMetaType(index));
        is_end = method == QMetaMethod::fromSignal(&QObject::destroyed);
        // The slot is behind those of QObject. Automatic: what another thread emits is queued for this one.
        QMetaObject::connect(
          object, signal, this, QObject::staticMetaObject.methodCount(), Qt::AutoConnection, nullptr);
        connect(object, &QObject::destroyed, this, [this] { hear(nullptr); });
    }

    int qt_metacall(QMetaObject::Call call, int id, void** arguments) override
    {
        id = QObject::qt_metacall(call, id, arguments);
        if (id < 0 || call != QMetaObject::InvokeMetaMethod)
            return id;
        if (id == 0) {
            auto* list = new QVariantList;
            for (int index = 0; index < types.size(); ++index)
                list->append(kept(types[index], arguments[index + 1]));
            hear(list);
        }
        return id - 1;
    }

    // An argument, to be looked at later: an object may be gone by then. One that is being destroyed cannot be pointed to any more.
    QVariant kept(QMetaType type, const void* argument) const
    {
        if (type.id() == QMetaType::QVariant)
            return *static_cast<const QVariant*>(argument);
        if (type.flags() & QMetaType::PointerToQObject)
            return QVariant::fromValue(QPointer<QObject>(is_end ? nullptr : *static_cast<QObject* const*>(argument)));
        return QVariant(type, argument);
    }

    void hear(QVariantList* list)
    {
        if (!heard) {
            delete list;
            return;
        }
        auto* call = heard;
        // The end is the last, also if another thread has said something before that is still queued.
        if (!list)
            heard = nullptr;
        ++depth;
        call(data, list);
        // Here and not where it was freed: a Qt loop further in would have deleted it under this call.
        if (--depth == 0 && is_free)
            deleteLater();
    }

    QList<QMetaType> types;
    void (*heard)(void*, QVariantList*);
    void* data;
    int depth = 0;
    // The signal is destroyed().
    bool is_end = false;
    bool is_free = false;
};

extern "C" {

QtloopEar* qtloop_ear_new(QObject* object, int signal, void (*heard)(void*, QVariantList*), void* data) noexcept
{
    if (object->metaObject()->method(signal).methodType() != QMetaMethod::Signal)
        return nullptr;
    return new QtloopEar(object, signal, heard, data);
}

void qtloop_ear_free(QtloopEar* ear) noexcept
{
    ear->heard = nullptr;
    ear->is_free = true;
    if (ear->depth == 0)
        delete ear;
}

void qtloop_arguments_free(QVariantList* arguments) noexcept
{
    delete arguments;
}

} // extern "C"
