// The C ABI of what Rust needs from Qt and cannot say in one line: a host that calls back, and a nested loop.
// Mirrored, in this order, by src/qt/ffi.rs. Nothing here throws; every pointer belongs to the thread that made it.
#pragma once

extern "C" {

struct QtloopHost;
struct QtloopNest;

// A host on the calling thread. Calls `turn(data)` there when `fd` is readable or the armed time has come.
// The thread gets an event dispatcher if it had none. `fd` stays the caller's and must outlive the host.
QtloopHost* qtloop_host_new(int fd, void (*turn)(void* data), void* data) noexcept;

// No turn is called after this. On another thread than the host's own, Qt destroys it later.
void qtloop_host_free(QtloopHost* host) noexcept;

// The next turn comes in `msec` milliseconds: 0 as soon as Qt has had its turn and again until told otherwise,
// negative never. Replaces what was armed.
void qtloop_host_arm(QtloopHost* host, int msec) noexcept;

// Whether the application has said aboutToQuit since the host was made, on its own thread. It may say so long before
// its exec() ends (Qt 6.11), or after (Qt 6.4).
bool qtloop_host_saw_quit(const QtloopHost* host) noexcept;

// A QEventLoop that is left by `exit`, and only by it if `insist`.
QtloopNest* qtloop_nest_new() noexcept;
void qtloop_nest_free(QtloopNest* nest) noexcept;

// Runs Qt's events until `exit`, or, without `insist`, until the application or thread quits.
// Qt refuses to enter a loop while it quits; this one runs all the same, so that cleaning up can wait for events.
// Without an application it returns -1 at once.
int qtloop_nest_exec(QtloopNest* nest, bool insist) noexcept;
void qtloop_nest_exit(QtloopNest* nest, int code) noexcept;

} // extern "C"
