// The C ABI of what Rust hears of a QObject: one of its signals, and its end.
// Mirrored, in this order, by src/qt/ffi.rs. Nothing here throws; every pointer belongs to the thread that made it.
#pragma once

#include <QtCore/QVariant>

class QObject;

extern "C" {

struct QtloopEar;

// Calls `heard(data, arguments)` on this thread for each time that the signal of that index is emitted, and once, with null
// and for the last time, when the object is about to be gone. What is emitted on another thread is heard later. `arguments` are the
// callee's, to be freed; objects among them are kept as QPointer<QObject>. Null if it is not the index of a signal.
QtloopEar* qtloop_ear_new(QObject* object,
                          int signal,
                          void (*heard)(void* data, QVariantList* arguments),
                          void* data) noexcept;

// Nothing is heard after this.
void qtloop_ear_free(QtloopEar* ear) noexcept;

void qtloop_arguments_free(QVariantList* arguments) noexcept;

} // extern "C"
