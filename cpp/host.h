// The C ABI of what Rust needs from Qt and cannot say in one line: a host that calls back, and a nested loop.
// Mirrored, in this order, by src/qt/ffi.rs. Nothing here throws; every pointer belongs to the thread that made it.
#pragma once

extern "C" {

struct QtloopHost;
struct QtloopNest;

// A host on the calling thread. Calls `turn(data)` there when `fd` is readable or the armed time has come.
// The thread gets an event dispatcher if it had none. `fd` stays the caller's and must outlive the host.
QtloopHost* qtloop_host_new(int fd, void (*turn)(void* data), void* data) noexcept;

// No turn is called after this. Call it on the host's own thread.
void qtloop_host_free(QtloopHost* host) noexcept;

// No turn begins after this. Call it on the host's own thread, and qtloop_host_free() later: on any
// thread, if this one has ended.
void qtloop_host_silence(QtloopHost* host) noexcept;

// No turn begins after this, except one that is about to begin on the host's own thread. Call it on
// any thread, and qtloop_host_free() on the host's own one later: until then that thread may use `fd`
// and `data`.
void qtloop_host_retire(QtloopHost* host) noexcept;

// The next turn comes in `msec` milliseconds: 0 as soon as Qt has had its turn and again until told otherwise,
// negative never. Replaces what was armed.
void qtloop_host_arm(QtloopHost* host, int msec) noexcept;

// How often the application has emitted aboutToQuit since the host was made; 0 if the host is not on
// the application's thread. Qt may emit it long before exec() returns (6.11), or only after the loop
// in exec() has ended (6.4).
unsigned qtloop_host_quits(const QtloopHost* host) noexcept;

// A QEventLoop that is left by `exit`, and only by it if `insist`.
QtloopNest* qtloop_nest_new() noexcept;
void qtloop_nest_free(QtloopNest* nest) noexcept;

// Runs Qt's events until `exit`, or, without `insist`, until the application or thread quits.
// Qt refuses to enter a loop while it quits; this one runs all the same, so that cleaning up can wait for events.
// Without an application it returns -1 at once.
int qtloop_nest_exec(QtloopNest* nest, bool insist) noexcept;
void qtloop_nest_exit(QtloopNest* nest, int code) noexcept;

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
void qtloop_watch_application(void (*notify)(int event)) noexcept;

} // extern "C"
