// A plain program of Qt Widgets that knows nothing of loops: it calls `attach.rs`, whose task counts on while a message box is open.
// With an argument, whichever, it clicks and answers by itself, and ends. How to build it stands in `attach.rs`.

#include <QtCore/QTimer>
#include <QtWidgets/QApplication>
#include <QtWidgets/QLabel>
#include <QtWidgets/QMessageBox>
#include <QtWidgets/QPushButton>
#include <QtWidgets/QVBoxLayout>
#include <cstdio>

struct Loop;
extern "C" Loop* rust_begin(void (*tell)(void* data, int second), void* data);
extern "C" void rust_end(Loop* loop);

static void show(void* label, int second)
{
    static_cast<QLabel*>(label)->setText(QString("Rust has counted to %1").arg(second));
}

int main(int argc, char** argv)
{
    QApplication app(argc, argv);
    QWidget window;
    QLabel label("Rust has not begun");
    QPushButton button("Open a message box");
    QVBoxLayout layout(&window);
    layout.addWidget(&label);
    layout.addWidget(&button);
    window.show();

    Loop* loop = rust_begin(show, &label);
    if (!loop)
        return 1;

    QObject::connect(&button, &QPushButton::clicked, &window, [&] {
        const QString before = label.text();
        QMessageBox box(
          QMessageBox::Information, "Box", "This is exec(). The count goes on.", QMessageBox::Ok, &window);
        if (argc > 1)
            QTimer::singleShot(2500, &box, &QDialog::accept);
        box.exec();
        const QString after = label.text();
        std::printf("before the box: %s\nafter the box: %s\n", qPrintable(before), qPrintable(after));
        if (argc > 1)
            app.exit(before == after ? 1 : 0);
    });
    if (argc > 1)
        QTimer::singleShot(100, &button, &QPushButton::click);

    const int code = app.exec();
    rust_end(loop);
    return code;
}
