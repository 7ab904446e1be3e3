// One line to type an address into.
import QtQuick

Card {
    id: field

    property string hint
    signal entered(string text)

    height: 36
    radius: 8
    edge: input.activeFocus ? Theme.accent : Theme.line

    TextInput {
        id: input
        anchors { fill: parent; leftMargin: 15; rightMargin: 15 }
        verticalAlignment: TextInput.AlignVCenter
        clip: true
        color: Theme.text
        selectByMouse: true
        selectionColor: Theme.accent
        selectedTextColor: Theme.ink
        font { family: Theme.family; pixelSize: 13 }
        activeFocusOnTab: true
        Accessible.name: field.hint
        onAccepted: {
            field.entered(text)
            clear()
        }
    }
    Label {
        anchors { fill: input }
        verticalAlignment: Text.AlignVCenter
        visible: input.text === ""
        text: field.hint
        color: Theme.muted
    }
}
