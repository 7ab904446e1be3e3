"""QML awaits a Python coroutine: the slot returns a JavaScript Promise.

It ends one second after the text has arrived.
"""

import asyncio
import sys

# For PyQt6, change these three lines.
from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtQml import QQmlApplicationEngine

import qtloop

WINDOW = b"""
import QtQuick

Window {
    visible: true
    width: 400
    height: 100
    Text {
        id: label
        objectName: "label"
        anchors.centerIn: parent
        text: "reading ..."
    }
    Timer {
        id: end
        interval: 1000
        onTriggered: Qt.quit()
    }
    Component.onCompleted: {
        net.read("localhost", port)
            .then(text => label.text = text, error => label.text = error.message)
            .then(() => end.start())
    }
}
"""


class Net(QObject):
    @qtloop.qmlSlot(str, int)
    async def read(self, host: str, port: int) -> str:
        reader, writer = await asyncio.open_connection(host, port)
        text = await reader.read()
        writer.close()
        return text.decode()


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.2)
    writer.write(b"Hello from a socket.")
    writer.close()


async def main() -> None:
    async with await asyncio.start_server(greet, "localhost", 0) as server:
        net = Net()
        engine = QQmlApplicationEngine()
        context = engine.rootContext()
        context.setContextProperty("net", net)
        context.setContextProperty("port", server.sockets[0].getsockname()[1])
        engine.loadData(WINDOW)
        window = engine.rootObjects()[0]
        await qtloop.once(app.aboutToQuit)
        if label := window.findChild(QObject, "label"):
            print(label.property("text"))


app = QGuiApplication(sys.argv)
qtloop.run(main())
