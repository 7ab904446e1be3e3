// A small button with a picture of rounded strokes: cancel, start, again or done.
import QtQuick

Surface {
    id: icon

    property string shape: "start"
    property string hint
    readonly property color ink: shape === "done" ? Theme.good : shape === "cancel" ? Theme.muted : Theme.accent

    signal clicked

    width: 34
    height: 34
    radius: 8
    enabled: shape !== "done"
    activeFocusOnTab: enabled
    color: enabled && (mouse.containsMouse || activeFocus) ? Theme.track : "transparent"

    Accessible.role: Accessible.Button
    Accessible.name: hint
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    Keys.onSpacePressed: clicked()
    onShapeChanged: strokes.requestPaint()
    onInkChanged: strokes.requestPaint()

    Canvas {
        id: strokes
        anchors.centerIn: parent
        width: 40
        height: 40
        scale: 0.5 // sharp on high-density screens

        // On a grid of 20 x 20.
        function lines() {
            const arc = [...Array(54).keys()].map(n => (n + 7) / 10)
            return {
                "cancel": [[[5, 5], [15, 15]], [[15, 5], [5, 15]]],
                "start": [[[10, 3], [10, 13]], [[5.5, 8.5], [10, 13], [14.5, 8.5]], [[4, 17], [16, 17]]],
                "again": [arc.map(turn => [10 + 6.5 * Math.cos(turn), 10 - 6.5 * Math.sin(turn)]),
                          [[15.4, 1.8], [15, 5.9], [10.9, 5.9]]],
                "done": [[[4, 10.5], [8.2, 14.8], [16, 5.5]]],
            }[icon.shape]
        }

        onPaint: {
            const pen = getContext("2d")
            pen.reset()
            pen.scale(2, 2)
            pen.strokeStyle = icon.ink
            pen.lineWidth = 1.8
            pen.lineCap = pen.lineJoin = "round"
            for (const line of lines()) {
                pen.beginPath()
                line.forEach(([x, y]) => pen.lineTo(x, y))
                pen.stroke()
            }
        }
    }
    MouseArea {
        id: mouse
        anchors.fill: parent
        hoverEnabled: true
        onClicked: icon.clicked()
    }
}
