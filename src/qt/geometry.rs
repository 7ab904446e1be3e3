//! Qt's points, sizes and rectangles as plain values: arguments of signals, and properties.

/// A point of integers (`QPoint`), such as a position in a widget, in device-independent pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point {
    /// The distance from the left.
    pub x: i32,
    /// The distance from the top.
    pub y: i32,
}

/// A size of integers (`QSize`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Size {
    /// The width.
    pub width: i32,
    /// The height.
    pub height: i32,
}

/// A rectangle of integers (`QRect`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rect {
    /// The left edge.
    pub x: i32,
    /// The top edge.
    pub y: i32,
    /// The width.
    pub width: i32,
    /// The height.
    pub height: i32,
}

/// A point of floating-point numbers (`QPointF`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PointF {
    /// The distance from the left.
    pub x: f64,
    /// The distance from the top.
    pub y: f64,
}

/// A size of floating-point numbers (`QSizeF`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SizeF {
    /// The width.
    pub width: f64,
    /// The height.
    pub height: f64,
}

/// A rectangle of floating-point numbers (`QRectF`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RectF {
    /// The left edge.
    pub x: f64,
    /// The top edge.
    pub y: f64,
    /// The width.
    pub width: f64,
    /// The height.
    pub height: f64,
}

impl Point {
    /// Makes a point at this position.
    #[must_use]
    pub fn new(x: i32, y: i32) -> Point {
        Point { x, y }
    }
}

impl Size {
    /// Makes a size of this width and height.
    #[must_use]
    pub fn new(width: i32, height: i32) -> Size {
        Size { width, height }
    }
}

impl Rect {
    /// Makes a rectangle with this top left corner, width and height.
    #[must_use]
    pub fn new(x: i32, y: i32, width: i32, height: i32) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }
}

impl PointF {
    /// Makes a point at this position.
    #[must_use]
    pub fn new(x: f64, y: f64) -> PointF {
        PointF { x, y }
    }
}

impl SizeF {
    /// Makes a size of this width and height.
    #[must_use]
    pub fn new(width: f64, height: f64) -> SizeF {
        SizeF { width, height }
    }
}

impl RectF {
    /// Makes a rectangle with this top left corner, width and height.
    #[must_use]
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> RectF {
        RectF {
            x,
            y,
            width,
            height,
        }
    }
}
