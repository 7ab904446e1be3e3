// Small functions of QCoreApplication and QThread, and the events of the application object.
#include "app.h"

#include <QtCore/QCoreApplication>
#include <QtCore/QEvent>
#include <QtCore/QList>
#include <QtCore/QObject>
#include <QtCore/QThread>
#include <QtCore/QVariant>

#include <dlfcn.h>

namespace {

void (*notify_application)(int) = nullptr;
QCoreApplication* watched_application = nullptr;

void application_destroyed()
{
    // Only the first application is watched. Qt calls a post-routine once.
    watched_application = nullptr;
    notify_application(QtloopApplicationDestroyed);
}

void application_made()
{
    auto* app = QCoreApplication::instance();
    if (watched_application) {
        notify_application(QtloopApplicationDoubled);
        return;
    }
    watched_application = app;
    QObject::connect(app, &QCoreApplication::aboutToQuit, app, [] {
        notify_application(QtloopApplicationQuits);
        // Qt processes deleteLater() when the slots have returned.
        auto* marker = new QObject;
        QObject::connect(marker, &QObject::destroyed, [] { notify_application(QtloopApplicationQuitDone); });
        marker->deleteLater();
    });
    qAddPostRoutine(application_destroyed);
    notify_application(QtloopApplicationMade);
}

// QThread::exec is protected, but a subclass may take a pointer to it.
struct Thread : QThread
{
    static constexpr auto run_events = &Thread::exec;
};

// QGuiApplication::topLevelWindows(). A QWindow's first base class is QObject.
using Windows = QList<QObject*>();

// Looks the function up, because QtGui is not linked. Returns null if the process has not loaded it.
Windows* find_windows()
{
    void* gui =
      dlopen("libQt" QT_STRINGIFY(QT_VERSION_MAJOR) "Gui.so." QT_STRINGIFY(QT_VERSION_MAJOR), RTLD_LAZY | RTLD_NOLOAD);
    return gui ? reinterpret_cast<Windows*>(dlsym(gui, "_ZN15QGuiApplication15topLevelWindowsEv")) : nullptr;
}

} // namespace

extern "C" {

void qtloop_app_watch(void (*notify)(int event)) noexcept
{
    notify_application = notify;
    // Qt calls it at once if an application exists.
    qAddPreRoutine(application_made);
}

bool qtloop_app_exists() noexcept
{
    return QCoreApplication::instance() != nullptr;
}

void qtloop_app_new(int* count, char** texts) noexcept
{
    new QCoreApplication(*count, texts);
}

bool qtloop_app_has_visible_window() noexcept
{
    static Windows* windows = nullptr;
    if (!windows)
        windows = find_windows();
    if (!windows || !QCoreApplication::instance())
        return false;
    for (QObject* window : windows()) {
        if (window->property("visible").toBool() && !window->property("qtloop_inspector").toBool())
            return true;
    }
    return false;
}

bool qtloop_app_quits_with_last_window() noexcept
{
    auto* app = QCoreApplication::instance();
    return app && app->property("quitOnLastWindowClosed").toBool();
}

void qtloop_app_quit() noexcept
{
    if (QCoreApplication::instance())
        QCoreApplication::quit();
}

bool qtloop_app_is_main_thread() noexcept
{
    auto* app = QCoreApplication::instance();
    return app && app->thread() == QThread::currentThread();
}

int qtloop_app_level() noexcept
{
    return QThread::currentThread()->loopLevel();
}

int qtloop_app_exec() noexcept
{
    return QCoreApplication::exec();
}

void qtloop_app_exit(int code) noexcept
{
    QCoreApplication::exit(code);
}

bool qtloop_app_block_signals(bool block) noexcept
{
    auto* app = QCoreApplication::instance();
    return app && app->blockSignals(block);
}

void qtloop_app_forget_quit() noexcept
{
    if (auto* app = QCoreApplication::instance())
        QCoreApplication::removePostedEvents(app, QEvent::Quit);
}

void qtloop_app_post(void (*call)(void* data), void* data) noexcept
{
    if (auto* app = QCoreApplication::instance())
        QMetaObject::invokeMethod(
          app, [call, data] { call(data); }, Qt::QueuedConnection);
}

void qtloop_app_send_posted_events() noexcept
{
    if (QCoreApplication::instance())
        QCoreApplication::sendPostedEvents();
}

int qtloop_thread_exec() noexcept
{
    return (QThread::currentThread()->*Thread::run_events)();
}

void qtloop_thread_exit(int code) noexcept
{
    QThread::currentThread()->exit(code);
}

} // extern "C"
