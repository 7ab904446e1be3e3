// The window: a list of downloads, a total, a plot of its own frame times, a question over it, and
// at F12 a panel beside it.
import QtQuick
import QtQuick.Window

Window {
    id: window

    title: "Fetch"
    width: 920
    height: Math.min(880, Screen.desktopAvailableHeight)
    minimumWidth: 560
    minimumHeight: 480
    visible: true
    color: Theme.ground
    Component.onCompleted: camera.is_there = true

    FrameAnimation {
        running: true
        onTriggered: {
            const time = frames.tick()
            if (time > 0) {
                plot.add(time)
                panel.frame(time)
            }
        }
    }
    Shortcut {
        sequence: "F12"
        context: Qt.ApplicationShortcut
        onActivated: instruments.toggle()
    }
    Connections {
        target: instruments
        // The panel takes no room from the list.
        function onToggled() {
            window.width += (instruments.is_open ? 1 : -1) * (panel.width + 16)
        }
    }
    Connections {
        target: camera
        function onTake(path) {
            Theme.dots = 2
            const size = Qt.size(Theme.dots * page.width, Theme.dots * page.height)
            const begun = page.grabToImage(result => {
                Theme.dots = 1
                camera.taken(result.saveToFile(path))
            }, size)
            if (!begun)
                camera.taken(false)
        }
    }

    Rectangle {
        id: page
        anchors.fill: parent
        color: Theme.ground

        Label {
            id: title
            x: 24
            anchors.verticalCenter: buttons.verticalCenter
            text: "Downloads"
            font.pixelSize: 24
            font.weight: Font.Bold
        }
        Row {
            id: buttons
            anchors { right: panel.visible ? panel.left : parent.right; rightMargin: panel.visible ? 16 : 24; top: parent.top; topMargin: 20 }
            spacing: 12
            Button {
                text: "Cancel all"
                enabled: downloads.can_cancel
                onClicked: downloads.cancel_all()
            }
            Button {
                text: "Start all"
                isPrimary: true
                enabled: downloads.can_start
                onClicked: downloads.start_all()
            }
        }
        Label {
            id: summary
            anchors { left: title.left; right: buttons.right; top: buttons.bottom; topMargin: 12 }
            text: downloads.summary
            font.pixelSize: 14
            color: Theme.muted
        }
        Bar {
            id: total
            anchors { left: title.left; right: buttons.right; top: summary.bottom; topMargin: 12 }
            height: 8
            share: downloads.share
            fill: downloads.is_done ? Theme.good : Theme.accent
        }
        Field {
            id: address
            anchors { left: title.left; right: buttons.right; top: total.bottom; topMargin: 12 }
            hint: "Paste an address and press Enter"
            onEntered: text => {
                downloads.fetch(text)
                rows.positionViewAtEnd()
            }
        }
        Card {
            id: list
            anchors { left: title.left; right: buttons.right; top: address.bottom; topMargin: 12 }
            height: Math.min(rows.contentHeight + 2, figures.y - 12 - y)

            ListView {
                id: rows
                anchors { fill: parent; margins: 1 }
                clip: contentHeight > height
                boundsBehavior: Flickable.StopAtBounds
                model: downloads
                delegate: DownloadRow {
                    width: rows.width
                    isLast: index === rows.count - 1
                }
            }
            Rectangle {
                visible: rows.visibleArea.heightRatio < 1
                anchors.right: parent.right
                anchors.rightMargin: 3
                y: rows.y + rows.visibleArea.yPosition * rows.height
                width: 6
                height: rows.visibleArea.heightRatio * rows.height
                radius: 3
                color: Theme.track
            }
        }
        Card {
            id: figures
            anchors { left: title.left; right: buttons.right; bottom: note.top; bottomMargin: 12 }
            height: 170

            Label {
                x: 16
                y: 16
                text: "Frame time of this window"
                font.pixelSize: 14
                font.weight: Font.DemiBold
            }
            Label {
                anchors { right: parent.right; top: parent.top; margins: 16 }
                textFormat: Text.StyledText
                text: `median <b>${frames.median.toFixed(1)}</b> ms &nbsp; 99 % within <b>${frames.late.toFixed(1)}</b> ms &nbsp; `
                    + `longest <b>${frames.longest.toFixed(1)}</b> ms`
                font.pixelSize: 12
                color: Theme.muted
            }
            Plot {
                id: plot
                anchors { fill: parent; margins: 16; topMargin: 44 }
            }
        }
        Label {
            id: note
            anchors { left: title.left; bottom: parent.bottom; bottomMargin: 16 }
            text: downloads.note
            font.pixelSize: 12
            color: Theme.muted
        }
        Label {
            anchors { right: buttons.right; baseline: note.baseline }
            text: "qtloop · hyper · Qt Quick" + (GraphicsInfo.api === GraphicsInfo.Software ? ", drawn by software" : "")
            font.pixelSize: 12
            color: Theme.muted
        }
        Panel {
            id: panel
            visible: instruments.is_open
            anchors { right: parent.right; rightMargin: 24; top: buttons.top; bottom: figures.bottom }
        }
        Question {
            anchors.fill: parent
            asker: downloads.question
        }
    }
}
