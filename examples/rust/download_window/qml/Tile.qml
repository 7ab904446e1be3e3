// The tile of a file: its suffix on a background colour that depends only on the suffix.
import QtQuick

Surface {
    id: tile

    property string name
    readonly property string suffix: name.includes(".") ? name.split(".").pop().slice(0, 4).toUpperCase() : "WWW"
    readonly property real hue: [...suffix].reduce((sum, letter) => (sum * 42 + letter.charCodeAt(0)) % 360, 14) / 360

    width: 40
    height: 40
    radius: 10
    color: Theme.isDark ? Qt.hsla(hue, 0.35, 0.24, 1) : Qt.hsla(hue, 0.67, 0.93, 1)

    Label {
        anchors.centerIn: parent
        text: tile.suffix
        font.pixelSize: 11
        font.weight: Font.Bold
        color: Theme.isDark ? Qt.hsla(tile.hue, 0.6, 0.75, 1) : Qt.hsla(tile.hue, 0.6, 0.35, 1)
    }
}
