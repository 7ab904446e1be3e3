// A line of text, elided in the middle if it is too long.
import QtQuick

Text {
    color: Theme.text
    elide: Text.ElideMiddle
    textFormat: Text.PlainText
    font.family: Theme.family
    font.pixelSize: 13
}
