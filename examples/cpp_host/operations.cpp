// A Qt program whose operations Rust awaits: a timer, work on Qt's thread pool, a network reply. See `operations.rs`.

#include <QtCore/QCoreApplication>
#include <QtCore/QFutureWatcher>
#include <QtCore/QPromise>
#include <QtCore/QThreadPool>
#include <QtCore/QTimer>
#include <QtNetwork/QNetworkAccessManager>
#include <QtNetwork/QNetworkReply>
#include <memory>

struct Operations
{
    QObject* timer;
    QObject* watcher;
    void (*compute)(QObject* watcher);
    int (*result)(QObject* watcher);
    QObject* (*get)(quint16 port);
    qint64 (*read)(QObject* device, char* bytes, qint64 room);
};

struct Loop;
extern "C" Loop* rust_begin(Operations operations);
extern "C" void rust_end(Loop* loop);

using Watcher = QFutureWatcher<int>;

static void compute(QObject* watcher)
{
    auto promise = std::make_shared<QPromise<int>>();
    static_cast<Watcher*>(watcher)->setFuture(promise->future());
    QThreadPool::globalInstance()->start([promise] {
        promise->start();
        promise->addResult(6 * 7);
        promise->finish();
    });
}

static int result(QObject* watcher)
{
    return static_cast<Watcher*>(watcher)->result();
}

static QObject* get(quint16 port)
{
    static auto* manager = new QNetworkAccessManager(QCoreApplication::instance());
    const QUrl url(QString("http://127.0.0.1:%1/").arg(port));
    return manager->get(QNetworkRequest(url));
}

static qint64 read(QObject* device, char* bytes, qint64 room)
{
    return static_cast<QIODevice*>(device)->read(bytes, room);
}

int main(int argc, char** argv)
{
    QCoreApplication app(argc, argv);
    QTimer timer;
    timer.setSingleShot(true);
    Watcher watcher;
    Loop* loop = rust_begin({ &timer, &watcher, compute, result, get, read });
    if (!loop)
        return 1;
    const int code = app.exec();
    rust_end(loop);
    return code;
}
