// A small plot of the last values, scaled to the largest of them.
import QtQuick

Item {
    id: spark

    property string title
    property string value
    property list<var> values: []
    property real least: 0 // the scale shows at least this value
    property color ink: Theme.accent
    readonly property int kept: 120

    implicitHeight: 78
    onValuesChanged: curve.requestPaint()
    onInkChanged: curve.requestPaint()

    Label {
        text: spark.title
        font.pixelSize: 12
        color: Theme.muted
    }
    Label {
        anchors.right: parent.right
        text: spark.value
        font.weight: Font.DemiBold
    }
    Canvas {
        id: curve
        readonly property real high: 50
        y: spark.height - high
        width: Theme.dots * spark.width
        height: Theme.dots * high
        scale: 1 / Theme.dots
        transformOrigin: Item.TopLeft
        onPaint: {
            const pen = getContext("2d")
            const values = spark.values, wide = spark.width, ground = high - 1
            const top = Math.max(spark.least, ...values) * 1.1, step = wide / (spark.kept - 1)
            const x = n => wide - step * (values.length - 1 - n)
            const y = n => ground - (ground - 2) * values[n] / top
            pen.reset()
            pen.scale(Theme.dots, Theme.dots)
            pen.lineWidth = 1
            pen.strokeStyle = Theme.line
            pen.beginPath()
            pen.moveTo(0, ground + 0.5)
            pen.lineTo(wide, ground + 0.5)
            pen.stroke()
            if (values.length < 2)
                return
            pen.beginPath()
            pen.moveTo(x(0), y(0))
            for (let n = 1; n < values.length; n++)
                pen.lineTo(x(n), y(n))
            pen.lineWidth = 1.5
            pen.lineJoin = "round"
            pen.strokeStyle = spark.ink
            pen.stroke()
            pen.lineTo(x(values.length - 1), ground)
            pen.lineTo(x(0), ground)
            pen.fillStyle = Qt.alpha(spark.ink, 0.12)
            pen.fill()
        }
    }
}
