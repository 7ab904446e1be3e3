// A button with a word on it; the primary one is what most people want.
import QtQuick

Surface {
    id: button

    property string text
    property bool isPrimary: false
    readonly property bool isHot: mouse.containsMouse || activeFocus

    signal clicked

    implicitWidth: Math.max(84, Math.ceil(label.implicitWidth) + 34)
    implicitHeight: 34
    radius: 8
    edge: isPrimary ? "transparent" : isHot && enabled ? Theme.accent : Theme.line
    color: !isPrimary ? Theme.card : !enabled ? Theme.track : isHot ? Theme.accentHover : Theme.accent
    activeFocusOnTab: enabled

    Accessible.role: Accessible.Button
    Accessible.name: text
    Accessible.onPressAction: clicked()
    Keys.onReturnPressed: clicked()
    Keys.onSpacePressed: clicked()

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
