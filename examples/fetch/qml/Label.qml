// A line of text; one that is too long loses its middle.
import QtQuick

Text {
    color: Theme.text
    elide: Text.ElideMiddle
    textFormat: Text.PlainText
    font.family: Theme.family
    font.pixelSize: 13
}
