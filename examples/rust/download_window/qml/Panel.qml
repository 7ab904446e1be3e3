// Figures of the event loop, which F12 opens, and a button that saves a trace.
import QtQuick

Card {
    id: panel

    readonly property var here: Qt.locale("en")
    // The longest frame of each of the last updates, and of the current one.
    property var frames: []
    property real current: 0
    property real gap: 0

    function frame(milliseconds) {
        current = Math.max(current, milliseconds)
    }
    function whole(number) {
        return Number(number).toLocaleString(here, "f", 0)
    }
    function millis(number) {
        return Number(number).toLocaleString(here, "f", number < 10 ? 2 : 1)
    }

    width: 308

    Connections {
        target: instruments
        function onChanged() {
            panel.frames = [...panel.frames, panel.current].slice(-20)
            panel.gap = Math.max(...panel.frames)
            panel.current = 0
        }
        function onToggled() {
            panel.frames = []
            panel.current = 0
        }
    }
    Label {
        id: title
        x: 16
        y: 16
        text: "Event loop"
        font.pixelSize: 14
        font.weight: Font.DemiBold
    }
    Icon {
        anchors { right: parent.right; rightMargin: 6; verticalCenter: title.verticalCenter }
        shape: "cancel"
        hint: "Close"
        onClicked: instruments.toggle()
    }
    Column {
        id: plots
        anchors { left: parent.left; right: parent.right; top: title.bottom; margins: 16 }
        spacing: 14

        Spark {
            width: parent.width
            title: "Time in tasks"
            value: (100 * instruments.busy).toFixed(1) + " %"
            values: instruments.busy_history
            least: 0.05
        }
        Spark {
            width: parent.width
            title: "Jobs per second"
            value: panel.whole(instruments.jobs)
            values: instruments.jobs_history
            least: 100
            ink: Theme.good
        }
    }
    Rectangle {
        anchors { left: parent.left; right: parent.right; top: plots.bottom; margins: 16 }
        height: 1
        color: Theme.line
    }
    Grid {
        id: figures
        anchors { left: parent.left; right: parent.right; top: plots.bottom; margins: 16; topMargin: 32 }
        columns: 2
        columnSpacing: 16
        rowSpacing: 14

        Figure { name: "tasks"; number: panel.whole(instruments.tasks) }
        Figure { name: "ready jobs"; number: panel.whole(instruments.ready) }
        Figure { name: "timers"; number: panel.whole(instruments.timers) }
        Figure { name: "descriptors"; number: panel.whole(instruments.descriptors) }
        Figure { name: "turns per second"; number: panel.whole(instruments.turns) }
        Figure { name: "wake-ups per second"; number: panel.whole(instruments.wakeups) }
        Figure { name: "polls per second"; number: panel.whole(instruments.polls) }
        Figure {
            name: "longest frame in 5 s"
            number: panel.millis(panel.gap)
            unit: "ms"
            isBad: panel.gap > 34
        }
        Figure {
            name: "longest turn"
            number: panel.millis(instruments.longest_turn)
            unit: "ms"
            isBad: instruments.longest_turn > 16
        }
        Figure {
            name: "latest timer"
            number: panel.millis(instruments.lateness)
            unit: "ms late"
        }
    }
    Column {
        anchors { left: parent.left; right: parent.right; bottom: message.top; margins: 16; bottomMargin: 14 }
        spacing: 10
        visible: y > figures.y + figures.height // a low window has no room

        Rectangle {
            width: parent.width
            height: 1
            color: Theme.line
        }
        Row {
            visible: longest.count > 0
            Label { width: panel.width - 32 - 2 * 62; text: "Longest tasks"; font.pixelSize: 12; color: Theme.muted }
            Label { width: 62; text: "total"; horizontalAlignment: Text.AlignRight; font.pixelSize: 12; color: Theme.muted }
            Label { width: 62; text: "one poll"; horizontalAlignment: Text.AlignRight; font.pixelSize: 12; color: Theme.muted }
        }
        Repeater {
            id: longest
            model: instruments.longest

            Row {
                required property var modelData
                Label { width: panel.width - 32 - 2 * 62; text: modelData.name; font.pixelSize: 12 }
                Label { width: 62; text: panel.millis(modelData.total) + " ms"; horizontalAlignment: Text.AlignRight; font.pixelSize: 12 }
                Label { width: 62; text: panel.millis(modelData.worst) + " ms"; horizontalAlignment: Text.AlignRight; font.pixelSize: 12 }
            }
        }
    }
    Label {
        id: message
        anchors { left: parent.left; right: parent.right; bottom: button.top; margins: 16; bottomMargin: 10 }
        text: instruments.message
        font.pixelSize: 12
        color: Theme.muted
    }
    Button {
        id: button
        anchors { left: parent.left; right: parent.right; bottom: parent.bottom; margins: 16 }
        text: instruments.is_recording ? "Save trace" : "Record a trace"
        isPrimary: instruments.is_recording
        onClicked: instruments.is_recording ? instruments.save() : instruments.record()
    }
}
