// A thin, rounded progress bar; it shows at least a dot when data were received.
import QtQuick

Surface {
    id: bar

    property real share: 0
    property color fill: Theme.accent

    color: Theme.track
    radius: height / 2

    Surface {
        visible: bar.share > 0
        width: Math.max(bar.height, bar.width * Math.min(1, bar.share))
        height: bar.height
        radius: bar.radius
        color: bar.fill
    }
}
