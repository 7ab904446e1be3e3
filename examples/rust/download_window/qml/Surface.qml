// A rounded rectangle under other items. In a picture of double size, Qt's software renderer would
// draw the corners in single size, so the rectangle grows with `Theme.dots` and is scaled down.
import QtQuick

Item {
    id: surface

    property real radius: 0
    property color color: "transparent"
    property color edge: "transparent"

    Rectangle {
        width: Theme.dots * surface.width
        height: Theme.dots * surface.height
        scale: 1 / Theme.dots
        transformOrigin: Item.TopLeft
        radius: Theme.dots * surface.radius
        color: surface.color
        border.color: surface.edge
        border.width: surface.edge.a > 0 ? Theme.dots : 0
    }
}
