// The table of the C++ implementation.
#include "table.h"

extern "C" const QtloopTable qtloop_table = {
    QtloopTableVersion,

    qtloop_app_watch,
    qtloop_app_exists,
    qtloop_app_new,
    qtloop_app_has_visible_window,
    qtloop_app_quits_with_last_window,
    qtloop_app_quit,
    qtloop_app_is_main_thread,
    qtloop_app_level,
    qtloop_app_exec,
    qtloop_app_exit,
    qtloop_app_block_signals,
    qtloop_app_forget_quit,
    qtloop_app_post,
    qtloop_app_send_posted_events,
    qtloop_thread_exec,
    qtloop_thread_exit,

    qtloop_host_new,
    qtloop_host_free,
    qtloop_host_silence,
    qtloop_host_retire,
    qtloop_host_arm,
    qtloop_host_quits,

    qtloop_nested_loop_new,
    qtloop_nested_loop_free,
    qtloop_nested_loop_exec,
    qtloop_nested_loop_exit,

    qtloop_activity_new,
    qtloop_activity_free,
    qtloop_activity_set_event,
    qtloop_activity_is_busy,
    qtloop_activity_take_windows,
    qtloop_activity_turn_begins,
    qtloop_activity_turn_ends,
    qtloop_activity_loop_returned,
    qtloop_activity_ping,
};
