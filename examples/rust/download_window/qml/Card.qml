// A surface with a thin edge for other items.
import QtQuick

Surface {
    color: Theme.card
    radius: 12
    edge: Theme.line
}
