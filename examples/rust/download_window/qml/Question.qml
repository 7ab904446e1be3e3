// A question over the window. The task that asked continues with the answer; everything else
// continues, too.
import QtQuick

FocusScope {
    id: question

    // The download that asks; null if none does.
    property QtObject asker: null
    property string name
    property string message

    visible: asker !== null
    focus: visible
    Keys.onEscapePressed: asker.answer(false)
    onAskerChanged: {
        if (asker === null)
            return
        name = asker.name
        message = asker.status + "\n" + asker.amount + " are here. The others go on."
        resume.forceActiveFocus()
    }

    Rectangle {
        anchors.fill: parent
        color: Theme.veil
    }
    MouseArea {
        anchors.fill: parent // blocks clicks on the items below
        hoverEnabled: true
        onWheel: wheel => wheel.accepted = true
    }
    Repeater {
        model: 24 // a soft shadow that needs no shaders; each layer adds very little
        Rectangle {
            required property int index
            readonly property real spread: index * index / 24
            anchors { fill: card; margins: -spread; topMargin: 5 - spread; bottomMargin: -5 - spread }
            radius: card.radius + spread
            color: Theme.shadow
        }
    }
    Card {
        id: card
        anchors.centerIn: parent
        width: Math.max(380, text.implicitWidth + 84 + 28)
        height: text.implicitHeight + 92

        Tile {
            x: 24
            y: 24
            name: question.name
        }
        Column {
            id: text
            x: 84
            y: 24
            spacing: 10
            Label {
                text: "Resume " + question.name + "?"
                font.pixelSize: 15
                font.weight: Font.DemiBold
            }
            Label {
                text: question.message
                lineHeight: 1.1
                color: Theme.muted
            }
        }
        Row {
            anchors { right: parent.right; bottom: parent.bottom; margins: 20 }
            spacing: 8
            Button {
                text: "Give up"
                onClicked: question.asker.answer(false)
            }
            Button {
                id: resume
                text: "Resume"
                isPrimary: true
                onClicked: question.asker.answer(true)
            }
        }
    }
}
