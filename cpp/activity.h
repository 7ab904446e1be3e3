// The C ABI of an activity: whether a thread processes Qt's events or waits for them.
// No function throws. Only qtloop_activity_ping() may be called on any thread; the other functions
// belong to the thread that made the activity. src/qt/table.rs calls the functions through
// cpp/table.h.
#pragma once

extern "C" {

struct QtloopActivity;

// The argument of `notify`, which is called on the thread of the activity.
enum QtloopActivityChange {
    // The thread has begun to process events, or runs a turn.
    QtloopActivityBegins = 0,
    // It has delivered a ping or begun a turn, while it was busy: no event handler blocks it.
    QtloopActivityProgresses = 1,
    // It is about to wait for events.
    QtloopActivityWaits = 2,
    // It has left its Qt event loops.
    QtloopActivityLeaves = 3,
};

// Makes an activity of the calling thread. It calls `notify(change)`. On the application's thread an
// event filter on the application sees each event. On other threads only turns and waits are seen.
// `turns` is the number of turns that are under way. Inside one, and inside a Qt event loop, the
// thread counts as busy.
QtloopActivity* qtloop_activity_new(void (*notify)(int change), int turns) noexcept;

// Frees the activity, also inside an event, but not inside `notify` or `event`.
void qtloop_activity_free(QtloopActivity* activity) noexcept;

// Calls `event(receiver's class name, type of the event)` for each event of the application's
// thread. The name is valid during the call. Null ends it.
void qtloop_activity_set_event(QtloopActivity* activity, void (*event)(const char*, int)) noexcept;

// Returns whether the thread is busy.
bool qtloop_activity_is_busy(const QtloopActivity* activity) noexcept;

// Returns whether windows may have been shown or hidden since the last call.
bool qtloop_activity_take_windows(QtloopActivity* activity) noexcept;

// Notes that Qt has begun a turn, or that it ends. An application and a dispatcher that were made
// since the last turn are watched from now on.
void qtloop_activity_turn_begins(QtloopActivity* activity) noexcept;
void qtloop_activity_turn_ends(QtloopActivity* activity) noexcept;

// Notes that a Qt event loop has returned.
void qtloop_activity_loop_returned(QtloopActivity* activity) noexcept;

// Posts an event to the thread. Its delivery is progress. The caller keeps the activity alive.
void qtloop_activity_ping(QtloopActivity* activity) noexcept;

} // extern "C"
