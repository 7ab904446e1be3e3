// A QObject with one slot that takes any signal, as QSignalSpy has it, without moc.
#include "signal.h"

#include <QtCore/QMetaMethod>
#include <QtCore/QMetaObject>
#include <QtCore/QObject>
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
                list->append(types[index].id() == QMetaType::QVariant ? *static_cast<QVariant*>(arguments[index + 1])
                                                                      : QVariant(types[index], arguments[index + 1]));
            hear(list);
        }
        return id - 1;
    }

    void hear(QVariantList* list)
    {
        if (!heard) {
            delete list;
            return;
        }
        ++depth;
        heard(data, list);
        --depth;
    }

    QList<QMetaType> types;
    void (*heard)(void*, QVariantList*);
    void* data;
    int depth = 0;
};

extern "C" {

QtloopEar* qtloop_ear_new(QObject* object, int signal, void (*heard)(void*, QVariantList*), void* data) noexcept
{
    return new QtloopEar(object, signal, heard, data);
}

void qtloop_ear_free(QtloopEar* ear) noexcept
{
    ear->heard = nullptr;
    if (ear->depth > 0)
        ear->deleteLater();
    else
        delete ear;
}

void qtloop_arguments_free(QVariantList* arguments) noexcept
{
    delete arguments;
}

} // extern "C"
