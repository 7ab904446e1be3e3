// Colours and fonts: light or dark like the desktop; colours are named by their use.
pragma Singleton
import QtQuick

QtObject {
    readonly property SystemPalette desktop: SystemPalette {}
    readonly property bool isDark: desktop.window.hslLightness < 0.5

    readonly property color ground: isDark ? "#14161b" : "#f4f5f8"
    readonly property color card: isDark ? "#1d2027" : "#ffffff"
    readonly property color line: isDark ? "#2b2f39" : "#e4e7ed"
    readonly property color track: isDark ? "#2d323d" : "#e8ebf1"
    readonly property color veil: isDark ? "#80000000" : "#21101828"
    readonly property color shadow: isDark ? "#03000000" : "#01000000"
    readonly property color guide: isDark ? "#5c6575" : "#adb4c1"
    readonly property color text: isDark ? "#eceef3" : "#171b24"
    readonly property color muted: isDark ? "#98a1b2" : "#667085"
    readonly property color accent: isDark ? "#6f94ff" : "#3b6cf6"
    readonly property color accentHover: isDark ? "#89a7ff" : "#2c59d8"
    readonly property color ink: isDark ? "#0d1220" : "#ffffff"
    readonly property color good: isDark ? "#3cc792" : "#159a68"
    readonly property color warn: isDark ? "#eba43a" : "#c77700"
    readonly property color bad: isDark ? "#ff6f7f" : "#d33a4c"

    // The number of picture pixels per window pixel while a screenshot is taken.
    property int dots: 1

    function mood(name, otherwise) {
        return { "good": good, "warn": warn, "bad": bad, "off": muted }[name] ?? otherwise
    }

    // The first of these fonts that is installed; otherwise the desktop's font.
    readonly property string family: {
        const here = Qt.fontFamilies()
        const wanted = ["Inter", "Adwaita Sans", "Cantarell", "Noto Sans", "Roboto"]
        return wanted.find(name => here.includes(name)) ?? Qt.application.font.family
    }
}
