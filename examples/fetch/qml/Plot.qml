// The last seconds of frame times: flat is smooth, a spike is a late frame.
import QtQuick

Item {
    id: plot

    readonly property int step: 2
    readonly property real ceiling: 40
    readonly property real budget: 1000 / 60
    property var times: []

    function add(milliseconds) {
        times.push(milliseconds)
        while (times.length > curve.width / step)
            times.shift()
        curve.requestPaint()
    }
    function at(milliseconds) {
        return 2 + (height - 4) * (1 - Math.min(milliseconds, ceiling) / ceiling)
    }

    Repeater {
        model: [0, plot.budget, 2 * plot.budget]

        Item {
            id: mark
            required property real modelData
            y: Math.round(plot.at(modelData))

            Row {
                spacing: 3
                Repeater {
                    model: mark.modelData ? Math.max(0, Math.floor(curve.width / 7)) : 1
                    Rectangle {
                        width: mark.modelData ? 4 : curve.width
                        height: 1
                        color: Theme.line
                    }
                }
            }
            Label {
                x: curve.width + 8
                y: mark.modelData ? -height / 2 : -height + 3
                text: mark.modelData.toFixed(mark.modelData ? 1 : 0) + " ms"
                font.pixelSize: 11
                color: Theme.muted
            }
        }
    }
    Canvas {
        id: curve
        width: plot.width - 54
        height: plot.height
        // Plain rectangles: one line through all frames takes ten times as long to draw, and would be its own worst frame.
        onPaint: {
            const pen = getContext("2d")
            pen.reset()
            const ground = plot.at(0), step = plot.step
            const heights = plot.times.map(plot.at)
            let x = width - step * heights.length
            pen.fillStyle = Qt.alpha(Theme.accent, 0.12)
            heights.forEach((y, n) => pen.fillRect(x + step * n, y, step, ground - y))
            pen.fillStyle = Theme.accent
            heights.forEach((y, n) => {
                const before = n ? heights[n - 1] : y
                pen.fillRect(x + step * n, Math.min(y, before) - 0.75, step, Math.abs(y - before) + 1.5)
            })
            pen.fillStyle = Theme.bad
            plot.times.forEach((time, n) => {
                if (time > 2 * plot.budget)
                    pen.fillRect(x + step * n, heights[n], step, ground - heights[n])
            })
        }
    }
}
