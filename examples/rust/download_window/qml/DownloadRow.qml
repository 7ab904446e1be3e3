// One download: its name, state and progress, and one button.
import QtQuick

Item {
    id: row

    required property QtObject download
    required property int index
    property bool isLast: false
    readonly property string life: download.state
    readonly property bool isActive: life === "running" || life === "asking"

    height: 70

    Tile {
        x: 16
        anchors.verticalCenter: parent.verticalCenter
        name: row.download.name
    }
    Label {
        id: name
        anchors { left: parent.left; leftMargin: 68; right: speed.left; rightMargin: 12; top: parent.top; topMargin: 11 }
        text: row.download.name
        font.pixelSize: 14
        font.weight: Font.DemiBold
    }
    Label {
        id: speed
        anchors { right: amount.left; top: name.top; topMargin: 1 } // whole pixels: the software renderer cuts others
        width: 84
        horizontalAlignment: Text.AlignRight
        text: row.download.speed
        color: Theme.muted
    }
    Label {
        id: amount
        anchors { right: bar.right; top: speed.top }
        width: 124
        horizontalAlignment: Text.AlignRight
        text: row.download.amount
        color: Theme.muted
    }
    Label {
        anchors { left: name.left; right: bar.right; top: name.bottom; topMargin: 2 }
        text: row.life === "asking" ? row.download.status + " Waiting for your answer." : row.download.status
        font.pixelSize: 12
        color: Theme.mood(row.download.mood, Theme.muted)
    }
    Bar {
        id: bar
        anchors { left: name.left; right: icon.left; rightMargin: 14; bottom: parent.bottom; bottomMargin: 11 }
        height: 5
        share: row.download.share
        fill: Theme.mood(row.download.mood, Theme.accent)
    }
    Icon {
        id: icon
        anchors { right: parent.right; rightMargin: 14; verticalCenter: parent.verticalCenter }
        shape: row.isActive ? "cancel" : ({ "done": "done", "failed": "again", "cancelled": "again" })[row.life] ?? "start"
        hint: ({ "start": "Fetch %1", "cancel": "Cancel %1", "again": "Try %1 again", "done": "%1 is complete" })[shape].arg(row.download.name)
        onClicked: row.isActive ? row.download.cancel() : row.download.start()
    }
    Rectangle {
        visible: !row.isLast
        anchors { left: parent.left; right: parent.right; bottom: parent.bottom }
        height: 1
        color: Theme.line
    }
}
