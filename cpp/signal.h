// The C ABI of one connection to a signal of a QObject and to its destruction.
// Mirrored, in this order, by src/qt/ffi.rs. No function here throws.
#pragma once

#include <QtCore/QVariant>

class QObject;

extern "C" {

struct QtloopConnection;

// Connects to the signal with this method index, and calls `callback(data, arguments)` on the
// calling thread for each emission. The last call has null arguments: the object is being
// destroyed. An emission on the calling thread is delivered inside the emission, one on another
// thread by an event that is posted to the calling thread. Emissions of one thread are delivered in
// their order.
//
// `arguments` is a copy that was made on the emitting thread; the callee frees it. A pointer to a
// QObject is stored as a QPointer<QObject>, and as null unless the object lives on the calling
// thread.
//
// Returns null if the index is not that of a signal. The object must live on the calling thread.
// Call the functions below on the calling thread, too.
QtloopConnection* qtloop_connection_new(QObject* object,
                                        int signal,
                                        void (*callback)(void* data, QVariantList* arguments),
                                        void* data) noexcept;

// Disconnects. `callback` is not called after this.
void qtloop_connection_free(QtloopConnection* connection) noexcept;

// The number of the signal's parameters, the QMetaType::id() of one of them, and the signal's name,
// which is valid until qtloop_connection_free().
int qtloop_connection_parameters(const QtloopConnection* connection) noexcept;
int qtloop_connection_type(const QtloopConnection* connection, int parameter) noexcept;
const char* qtloop_connection_signal(const QtloopConnection* connection) noexcept;

void qtloop_arguments_free(QVariantList* arguments) noexcept;

} // extern "C"
