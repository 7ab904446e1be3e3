// The table of all functions through which the driver and the Python API use Qt: those of
// cpp/app.h, cpp/host.h and cpp/activity.h. Mirrored, in this order, by src/qt/table.rs.
//
// The Rust API links the table. The Python API loads it from a module (cpp/python_module.cpp), so
// that the native module needs no Qt.
#pragma once

#include "activity.h"
#include "app.h"
#include "host.h"

extern "C" {

// Increment it with every change of the table or of a function's meaning, here and in
// src/qt/table.rs.
enum { QtloopTableVersion = 1 };

struct QtloopTable
{
    // QtloopTableVersion. Remains the first member in every version.
    unsigned version;

    decltype(qtloop_app_watch)* app_watch;
    decltype(qtloop_app_exists)* app_exists;
    decltype(qtloop_app_new)* app_new;
    decltype(qtloop_app_has_visible_window)* app_has_visible_window;
    decltype(qtloop_app_quits_with_last_window)* app_quits_with_last_window;
    decltype(qtloop_app_quit)* app_quit;
    decltype(qtloop_app_is_main_thread)* app_is_main_thread;
    decltype(qtloop_app_level)* app_level;
    decltype(qtloop_app_exec)* app_exec;
    decltype(qtloop_app_exit)* app_exit;
    decltype(qtloop_app_block_signals)* app_block_signals;
    decltype(qtloop_app_forget_quit)* app_forget_quit;
    decltype(qtloop_app_post)* app_post;
    decltype(qtloop_app_send_posted_events)* app_send_posted_events;
    decltype(qtloop_thread_exec)* thread_exec;
    decltype(qtloop_thread_exit)* thread_exit;

    decltype(qtloop_host_new)* host_new;
    decltype(qtloop_host_free)* host_free;
    decltype(qtloop_host_silence)* host_silence;
    decltype(qtloop_host_retire)* host_retire;
    decltype(qtloop_host_arm)* host_arm;
    decltype(qtloop_host_quits)* host_quits;

    decltype(qtloop_nested_loop_new)* nested_loop_new;
    decltype(qtloop_nested_loop_free)* nested_loop_free;
    decltype(qtloop_nested_loop_exec)* nested_loop_exec;
    decltype(qtloop_nested_loop_exit)* nested_loop_exit;

    decltype(qtloop_activity_new)* activity_new;
    decltype(qtloop_activity_free)* activity_free;
    decltype(qtloop_activity_set_event)* activity_set_event;
    decltype(qtloop_activity_is_busy)* activity_is_busy;
    decltype(qtloop_activity_take_windows)* activity_take_windows;
    decltype(qtloop_activity_turn_begins)* activity_turn_begins;
    decltype(qtloop_activity_turn_ends)* activity_turn_ends;
    decltype(qtloop_activity_loop_returned)* activity_loop_returned;
    decltype(qtloop_activity_ping)* activity_ping;
};

// The table of the C++ implementation.
extern const QtloopTable qtloop_table;

} // extern "C"
