// The last seconds of frame times: flat is smooth, a spike is a late frame.
import QtQuick

Item {
    id: plot

    // About two pixels, and a whole number of device pixels, so that the scrolled curve stays
    // sharp.
    readonly property real step: Math.round(2 * Screen.devicePixelRatio) / Screen.devicePixelRatio
    readonly property real ceiling: 40
    readonly property real budget: 1000 / 60
    property var times: []
    property int fresh: 0 // the number of them that are not drawn yet

    function add(milliseconds) {
        times.push(milliseconds)
        fresh += 1
        while (times.length > curve.area / step)
            times.shift()
        curve.requestPaint()
    }
    function at(milliseconds) {
        return 2 + (height - 4) * (1 - Math.min(milliseconds, ceiling) / ceiling)
    }

    Canvas {
        id: curve
        readonly property real area: plot.width - 54
        width: Theme.dots * area
        height: Theme.dots * plot.height
        scale: 1 / Theme.dots
        transformOrigin: Item.TopLeft
        onCanvasSizeChanged: plot.fresh = plot.times.length
        // Scroll the drawn part to the left and add only the new frames: drawing all of them each
        // time would take longer than everything else, and would itself be the worst frame.
        onPaint: {
            const pen = getContext("2d")
            const times = plot.times, step = plot.step, ground = plot.at(0), room = step * plot.fresh
            pen.setTransform(1, 0, 0, 1, 0, 0)
            pen.globalCompositeOperation = "copy"
            pen.drawImage(curve, -room * Theme.dots, 0)
            pen.globalCompositeOperation = "source-over"
            pen.scale(Theme.dots, Theme.dots)
            pen.clearRect(area - room, 0, room, plot.height)
            pen.lineWidth = 1.5
            pen.lineCap = "round"
            for (let n = Math.max(1, times.length - plot.fresh); n < times.length; n++) {
                const right = area - step * (times.length - 1 - n), left = right - step
                const from = plot.at(times[n - 1]), to = plot.at(times[n])
                const isLate = Math.max(times[n - 1], times[n]) > 2 * plot.budget
                pen.strokeStyle = isLate ? Theme.bad : Theme.accent
                pen.fillStyle = Qt.alpha(pen.strokeStyle, 0.12)
                pen.beginPath()
                pen.moveTo(left, from)
                pen.lineTo(right, to)
                pen.stroke()
                pen.lineTo(right, ground)
                pen.lineTo(left, ground)
                pen.fill()
            }
            plot.fresh = 0
        }
    }
    // Drawn over the curve, which would hide them.
    Repeater {
        model: [0, plot.budget, 2 * plot.budget]

        Item {
            id: mark
            required property real modelData
            y: Math.round(plot.at(modelData))

            Rectangle {
                width: curve.area + 4
                height: 1
                color: mark.modelData === plot.budget ? Theme.guide : Theme.line
            }
            Label {
                x: curve.area + 8
                anchors.verticalCenter: parent.verticalCenter
                text: mark.modelData.toFixed(mark.modelData ? 1 : 0) + " ms"
                font.pixelSize: 11
                color: Theme.muted
            }
        }
    }
}
