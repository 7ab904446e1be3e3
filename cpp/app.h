// The C ABI of the functions of QCoreApplication and QThread that qtloop needs. No function throws.
// src/qt/app.rs documents them, and calls them through cpp/table.h.
#pragma once

extern "C" {

// Events of the application object, reported on its thread.
enum QtloopApplicationEvent {
    QtloopApplicationMade = 0,
    QtloopApplicationQuits = 1,
    QtloopApplicationDestroyed = 2,
    // A second one was made, which Qt does not support.
    QtloopApplicationDoubled = 3,
    // The slots of aboutToQuit have returned, and exec() is about to.
    QtloopApplicationQuitDone = 4,
};

// Calls `notify` for each of these events from now on, and at once (Made) if an application exists.
// For aboutToQuit it is called before all slots that are connected later. Call it once per process.
void qtloop_app_watch(void (*notify)(int event)) noexcept;

// Returns whether there is an application object. For any thread.
bool qtloop_app_exists() noexcept;

// Makes a QCoreApplication, which is never deleted. Both arguments must live as long as the process.
void qtloop_app_new(int* count, char** texts) noexcept;

// Returns whether the application shows a window, other than the inspector's. Without QtGui in the
// process there is none. Call it on the application's thread.
bool qtloop_app_has_visible_window() noexcept;

// Returns the application's quitOnLastWindowClosed; false if it has no such property. Call it on the
// application's thread.
bool qtloop_app_quits_with_last_window() noexcept;

// Calls QCoreApplication::quit(), if there is an application. For any thread.
void qtloop_app_quit() noexcept;

// Returns whether this is the thread of the application object.
bool qtloop_app_is_main_thread() noexcept;

// Returns how many nested Qt event loops run on this thread.
int qtloop_app_level() noexcept;

// Runs QCoreApplication::exec(), which checks its preconditions.
int qtloop_app_exec() noexcept;

// Exits all Qt loops of the application's thread. For any thread.
void qtloop_app_exit(int code) noexcept;

// Blocks the application object's signals, or unblocks them. Returns whether they were blocked.
bool qtloop_app_block_signals(bool block) noexcept;

// Removes quit events that are queued for the application.
void qtloop_app_forget_quit() noexcept;

// Calls `call(data)` on the application's thread when Qt next delivers posted events, unless the
// application is destroyed before.
void qtloop_app_post(void (*call)(void* data), void* data) noexcept;

// Delivers the events posted to objects of this thread, if there is an application.
void qtloop_app_send_posted_events() noexcept;

// Runs exec() of this thread's QThread; also in a thread that Qt did not start.
int qtloop_thread_exec() noexcept;

// Exits all Qt loops of this thread.
void qtloop_thread_exit(int code) noexcept;

} // extern "C"
