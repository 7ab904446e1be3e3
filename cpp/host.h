// The C ABI of the host, which calls the driver, and of the nested event loop. No function throws.
// Each pointer is used on the thread that made it. src/qt/table.rs calls the functions through
// cpp/table.h.
#pragma once

extern "C" {

struct QtloopHost;
struct QtloopNestedLoop;

// Makes a host on the calling thread. It calls `turn(data)` there when `fd` is readable or the
// armed time has passed. Gives the thread an event dispatcher if it has none. `fd` stays the
// caller's and must outlive the host.
QtloopHost* qtloop_host_new(int fd, void (*turn)(void* data), void* data) noexcept;

// Frees the host. No turn begins after this. Call it on the host's own thread.
void qtloop_host_free(QtloopHost* host) noexcept;

// No turn begins after this. Call it on the host's own thread, and qtloop_host_free() later: on any
// thread, if this one has ended.
void qtloop_host_silence(QtloopHost* host) noexcept;

// No turn begins after this, except one that is about to begin on the host's own thread. Call it on
// any thread, and qtloop_host_free() on the host's own one later: until then that thread may use
// `fd` and `data`.
void qtloop_host_retire(QtloopHost* host) noexcept;

// Sets the time of the next turn to `msec` milliseconds from now. 0: after Qt has processed its own
// events, and again until armed otherwise; negative: never. Replaces the time that was armed.
void qtloop_host_arm(QtloopHost* host, int msec) noexcept;

// Returns how often the application has emitted aboutToQuit since the host was made; 0 if the host
// is not on the application's thread. Qt may emit it long before exec() returns (6.11), or only
// after the loop in exec() has ended (6.4).
unsigned qtloop_host_quits(const QtloopHost* host) noexcept;

// A QEventLoop for one wait, which qtloop_nested_loop_exit() ends.
QtloopNestedLoop* qtloop_nested_loop_new() noexcept;
void qtloop_nested_loop_free(QtloopNestedLoop* nested) noexcept;

// Processes Qt's events until qtloop_nested_loop_exit() or, without `until_exit`, until the
// application or thread quits. Qt does not enter an event loop while it quits; this one still
// processes events then, so that cleanup can wait for them. Returns -1 at once if there is no
// application.
int qtloop_nested_loop_exec(QtloopNestedLoop* nested, bool until_exit) noexcept;
void qtloop_nested_loop_exit(QtloopNestedLoop* nested, int code) noexcept;

} // extern "C"
