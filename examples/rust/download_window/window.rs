//! The QML files of the window, which are part of the program.

use qmetaobject::{QString, QmlEngine};

qmetaobject::qrc!(files, "examples/rust/download_window/qml" as "download_window" {
    "qmldir", "Bar.qml", "Button.qml", "Card.qml", "DownloadRow.qml", "Field.qml", "Figure.qml", "Icon.qml", "Label.qml",
    "Main.qml", "Panel.qml", "Plot.qml", "Question.qml", "Spark.qml", "Surface.qml", "Theme.qml", "Tile.qml",
});

/// Loads the window. It uses the objects that the engine has by then.
pub fn load(engine: &mut QmlEngine) {
    files();
    engine.load_url(QString::from("qrc:/download_window/Main.qml").into());
}
