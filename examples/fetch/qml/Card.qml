// A surface with a thin edge, on which other things lie.
import QtQuick

Rectangle {
    color: Theme.card
    radius: 12
    border.color: Theme.line
}
