// A button with a word on it; the primary one is what most people want.
import QtQuick

Item {
    id: button

    property string text
    property bool isPrimary: false
    readonly property bool isHot: mouse.containsMouse || activeFocus

    signal clicked

    implicitWidth: Math.max(84, label.implicitWidth + 34)
    implicitHeight: 34
    activeFocusOnTab: enabled

    Accessible.role: Accessible.Button
    Accessible.name: text
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    Keys.onSpacePressed: clicked()

    Rectangle {
        anchors.centerIn: parent
        // So large that its corners are also round in a screenshot.
        width: Theme.dots * button.width
        height: Theme.dots * button.height
        scale: 1 / Theme.dots
        radius: 8 * Theme.dots
        border.width: button.isPrimary ? 0 : Theme.dots
        border.color: button.isHot && button.enabled ? Theme.accent : Theme.line
        color: !button.isPrimary ? Theme.card : !button.enabled ? Theme.track : button.isHot ? Theme.accentHover : Theme.accent
    }
    Label {
        id: label
        anchors.centerIn: parent
        text: button.text
        font.weight: Font.DemiBold
        color: !button.enabled ? Theme.muted : button.isPrimary ? Theme.ink : Theme.text
    }
    MouseArea {
        id: mouse
        anchors.fill: parent
        hoverEnabled: true
        onClicked: button.clicked()
    }
}
