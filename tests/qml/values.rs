//! Tests of arguments, properties and results of many types.

use std::fmt::Debug;

use libtest_mimic::Trial;
use qmetaobject::{
    QByteArray, QMetaType, QPoint, QPointF, QSize, QSizeF, QVariantList, prelude::*,
};
use qtloop::qml::This;
use qtloop::qt::{FromArgument, FromArguments, Point, PointF, Rect, RectF, Size, SizeF};
use qtloop::signal;

use crate::{Probe, World, trials};

pub(crate) fn tests() -> Vec<Trial> {
    trials![
        argument_of_each_type_is_read,
        point_and_size_of_zeros_convert,
        value_in_a_variant_is_read_if_nothing_is_lost,
        typed_arguments_need_types_that_hold_each_value,
        property_of_a_qml_object_is_read_set_and_followed,
        method_of_a_qml_object_is_called,
    ]
}

#[derive(QObject, Default)]
struct Kinds {
    base: qt_base_class!(trait QObject),
    small: qt_signal!(a: i8, b: u8, c: i16, d: u16),
    large: qt_signal!(a: u32, b: i64, c: u64),
    reals: qt_signal!(a: f32, b: f64),
    truth: qt_signal!(a: bool),
    texts: qt_signal!(a: QString, b: QByteArray),
    points: qt_signal!(a: QPoint, b: QPointF),
    sizes: qt_signal!(a: QSize, b: QSizeF),
    rects: qt_signal!(a: QRectF),
    any: qt_signal!(a: QVariant),
    list: qt_signal!(a: QVariantList),
}

struct Scene {
    world: World,
    kinds: QObjectBox<Kinds>,
}

impl Scene {
    fn new() -> Scene {
        let kinds = QObjectBox::new(Kinds::default());
        kinds.pinned().get_or_create_cpp_object();
        Scene {
            world: World::new(),
            kinds,
        }
    }

    /// Returns the arguments of an emission as these types.
    fn heard<T: FromArguments>(&self, signal: &str, emit: impl Fn(&Kinds)) -> T {
        let object = This::of(self.kinds.pinned().borrow()).object();
        let heard = signal::once(&object.expect("it lives"), signal).expect("a signal");
        let heard = heard.typed::<T>().expect("types that fit");
        emit(self.kinds.pinned().borrow());
        self.world.event_loop.block_on(heard).expect("an emission")
    }

    fn hears<T>(&self, signal: &str, emit: impl Fn(&Kinds), expected: T)
    where
        T: FromArguments + PartialEq + Debug,
    {
        assert_eq!(self.heard::<T>(signal, emit), expected);
    }

    /// Checks how a value inside a `QVariant` is read.
    fn reads<T>(&self, value: impl Into<QVariant>, expected: Option<T>)
    where
        T: FromArgument + PartialEq + Debug,
    {
        let value = value.into();
        self.hears("any", |kinds| kinds.any(value.clone()), (expected,));
    }

    /// Returns the error for types that do not fit.
    fn refused<T: FromArguments>(&self, signal: &str) -> String {
        let object = This::of(self.kinds.pinned().borrow()).object();
        let heard = signal::once(&object.expect("it lives"), signal).expect("a signal");
        let error = heard.typed::<T>().err().expect("types that do not fit");
        error.to_string()
    }
}

fn argument_of_each_type_is_read() {
    let scene = Scene::new();
    let small = |kinds: &Kinds| kinds.small(-8, 200, -300, 60_000);
    scene.hears("small", small, (-8_i8, 200_u8, -300_i16, 60_000_u16));
    scene.hears("small", small, (-8_i32, 200_u64, -300_i64, 60_000.0_f32));
    let large = |kinds: &Kinds| kinds.large(u32::MAX, i64::MIN, u64::MAX);
    scene.hears("large", large, (u32::MAX, i64::MIN, u64::MAX));
    let (one, two, three) = ("1".to_owned(), "-2".to_owned(), "3".to_owned());
    scene.hears("large", |kinds| kinds.large(1, -2, 3), (one, two, three));
    let reals = |kinds: &Kinds| kinds.reals(0.1, 0.2);
    scene.hears("reals", reals, (0.1_f32, 0.2_f64));
    scene.hears("reals", reals, (f64::from(0.1_f32), None::<f32>));
    scene.hears("truth", |kinds| kinds.truth(true), (true,));
    let texts = |kinds: &Kinds| kinds.texts("ä".into(), "b\0c".into());
    scene.hears("texts", texts, ("ä".to_owned(), b"b\0c".to_vec()));
    let points = |kinds: &Kinds| kinds.points(QPoint { x: -1, y: 2 }, QPointF { x: 0.5, y: 1.5 });
    scene.hears("points", points, (Point::new(-1, 2), PointF::new(0.5, 1.5)));
    scene.hears("points", points, (PointF::new(-1.0, 2.0), None::<Point>));
    let sizes = |kinds: &Kinds| {
        let (width, height) = (5.0, 6.0);
        kinds.sizes(
            QSize {
                width: 3,
                height: 4,
            },
            QSizeF { width, height },
        );
    };
    scene.hears("sizes", sizes, (Size::new(3, 4), Some(Size::new(5, 6))));
    let rect = QRectF {
        x: 1.0,
        y: 2.0,
        width: 3.0,
        height: 4.5,
    };
    scene.hears(
        "rects",
        |kinds| kinds.rects(rect),
        (RectF::new(1.0, 2.0, 3.0, 4.5),),
    );
    scene.hears("rects", |kinds| kinds.rects(rect), (None::<Rect>,));
}

/// Qt 5 does not convert them by itself, because they are null.
fn point_and_size_of_zeros_convert() {
    let scene = Scene::new();
    let points = |kinds: &Kinds| kinds.points(QPoint::default(), QPointF::default());
    let origin = (PointF::new(0.0, 0.0), Some(Point::new(0, 0)));
    scene.hears("points", points, origin);
    let (width, height) = (0, 0);
    let sizes = |kinds: &Kinds| kinds.sizes(QSize { width, height }, QSizeF::default());
    let nothing = (SizeF::new(0.0, 0.0), Some(Size::new(0, 0)));
    scene.hears("sizes", sizes, nothing);
}

fn value_in_a_variant_is_read_if_nothing_is_lost() {
    let scene = Scene::new();
    scene.reads(12.0, Some(12_u8));
    scene.reads(12.5, None::<i32>);
    scene.reads(1e300, None::<i64>);
    scene.reads(f64::NAN, None::<i64>);
    scene.reads(-1.0, None::<u64>);
    scene.reads(-1, None::<u64>);
    scene.reads(true, Some(true));
    scene.reads(2, None::<bool>);
    let size = QSizeF {
        width: 1.0,
        height: 2.0,
    };
    scene.reads(size.to_qvariant(), Some(SizeF::new(1.0, 2.0)));
    let texts: QVariantList = ["a", "", "c"].map(QString::from).into_iter().collect();
    let read = ["a", "", "c"].map(str::to_owned).to_vec();
    scene.reads(texts.to_qvariant(), Some(read));
    let numbers: QVariantList = [1, 2].into_iter().collect();
    scene.reads(numbers.to_qvariant(), None::<String>);
}

fn typed_arguments_need_types_that_hold_each_value() {
    let scene = Scene::new();
    for message in [
        scene.refused::<(u8,)>("small"),
        scene.refused::<(i32,)>("large"),
        scene.refused::<(u32, i32)>("large"),
        scene.refused::<(f32, f32)>("reals"),
        scene.refused::<(i32,)>("truth"),
        scene.refused::<(char,)>("texts"),
        scene.refused::<(Point, Point)>("points"),
        scene.refused::<(i32,)>("any"),
    ] {
        assert!(message.contains("read it as Option<"), "{message}");
    }
    for message in [
        scene.refused::<(Option<Point>,)>("truth"),
        scene.refused::<(Option<i32>,)>("points"),
        scene.refused::<(qtloop::qt::Object,)>("truth"),
        scene.refused::<(String,)>("list"),
    ] {
        assert!(message.contains("cannot be read as"), "{message}");
    }
    let (any,) = scene.heard::<(QVariant,)>("any", |kinds| kinds.any(7.into()));
    assert_eq!(any.to_int(), 7);
}

fn property_of_a_qml_object_is_read_set_and_followed() {
    use futures_lite::StreamExt;

    let world = World::new();
    let this = world.this();
    let object = this.object().expect("it lives");
    let mut numbers = signal::property::<i32>(&object, "number").expect("a property");
    assert_eq!(world.event_loop.block_on(numbers.next()), Some(0));
    object.set_property("number", 5_u64).expect("an int");
    assert_eq!(object.property::<i32>("number").expect("an int"), 5);
    assert_eq!(this.with(|probe| probe.number), Ok(5));
    object.set_property("number", 6).expect("an int");
    assert_eq!(world.event_loop.block_on(numbers.next()), Some(6));
}

fn method_of_a_qml_object_is_called() {
    let world = World::new();
    let object = world.this().object().expect("it lives");
    let said = signal::once(&object, "said").expect("a signal");
    let said = said.typed::<(String,)>().expect("a text");
    object.invoke::<()>("say", ("hello",)).expect("a slot");
    let said = world.event_loop.block_on(said).expect("it lives");
    assert_eq!(said, ("hello".to_owned(),));
    world
        .this()
        .with(|probe: &mut Probe| probe.answers.set(3))
        .expect("it lives");
    assert_eq!(object.invoke::<i64>("blocks", ()).expect("a slot"), 3);
}
