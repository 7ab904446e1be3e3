// A number with its unit, and what it counts.
import QtQuick

Item {
    id: figure

    property string name
    property string number
    property string unit
    property bool isBad: false

    implicitWidth: 130
    implicitHeight: 44

    Label {
        id: value
        text: figure.number
        font.pixelSize: 18
        font.weight: Font.DemiBold
        color: figure.isBad ? Theme.bad : Theme.text
    }
    Label {
        anchors { left: value.right; leftMargin: 4; baseline: value.baseline }
        text: figure.unit
        font.pixelSize: 12
        color: Theme.muted
    }
    Label {
        y: 25
        text: figure.name
        font.pixelSize: 12
        color: Theme.muted
    }
}
