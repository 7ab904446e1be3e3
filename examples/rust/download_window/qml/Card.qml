// A surface with a thin edge for other items.
import QtQuick

Rectangle {
    color: Theme.card
    radius: 12
    border.color: Theme.line
}
