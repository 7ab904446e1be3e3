// The window of `dialog.rs`: a count, and a question over it as long as one is open.
import QtQuick 2.15
import QtQuick.Window 2.15

Window {
    id: window

    property bool isAsking: false
    property bool isOver: false

    title: "Dialog"
    width: 360
    height: 200
    visible: true
    onClosing: close => {
        // One question is enough: while it is open, the window stays.
        if (!isOver && !isAsking && question.text === "") {
            isAsking = true
            isOver = talk.may_close()
            isAsking = false
        }
        close.accepted = isOver
        if (isOver)
            Qt.quit()
    }

    Connections {
        target: talk
        function onAsked(words) { question.text = words }
        function onAnswered() { question.text = "" }
    }
    Timer {
        interval: 200
        running: question.text !== "" && Qt.application.arguments.includes("--by-itself")
        onTriggered: {
            talk.answered(true)
            window.close()
        }
    }
    Column {
        anchors.centerIn: parent
        spacing: 16
        Text {
            anchors.horizontalCenter: parent.horizontalCenter
            text: "Counted to " + talk.count
            font.pixelSize: 24
        }
        Text {
            id: question
            anchors.horizontalCenter: parent.horizontalCenter
            height: 20
        }
        Row {
            anchors.horizontalCenter: parent.horizontalCenter
            spacing: 12
            opacity: question.text === "" ? 0 : 1
            Repeater {
                model: ["No", "Yes"]
                Rectangle {
                    required property string modelData
                    width: 80
                    height: 32
                    radius: 6
                    border.color: "#3b6cf6"
                    Text {
                        anchors.centerIn: parent
                        text: parent.modelData
                    }
                    TapHandler {
                        onTapped: talk.answered(parent.modelData === "Yes")
                    }
                }
            }
        }
    }
}
