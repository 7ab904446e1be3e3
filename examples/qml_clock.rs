//! A clock in QML whose hand is moved by a timer of the loop, on the second. Ends by itself after `--seconds N`.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use qmetaobject::{QObjectBox, prelude::*};
use qtloop::driver::Driver;
use qtloop::qml::{self, Job};
use qtloop::reactor::Time;

#[derive(QObject, Default)]
struct Clock {
    base: qt_base_class!(trait QObject),
    time: qt_property!(QString; NOTIFY changed),
    changed: qt_signal!(),
}

const FACE: &str = r##"
    import QtQuick
    import QtQuick.Window
    Window {
        visible: true; width: 320; height: 120; color: "#20242c"; title: "qtloop clock"
        Text { anchors.centerIn: parent; color: "#e8eaee"; font.pixelSize: 44; text: clock.time }
    }
"##;

fn since_epoch() -> Duration {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("the clock is past 1970")
}

fn tick(driver: &Rc<Driver<Job>>, clock: &Rc<QObjectBox<Clock>>, left: Option<u64>) {
    let seconds = since_epoch().as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    {
        let clock = clock.pinned();
        let mut clock = clock.borrow_mut();
        clock.time = format!("{hours:02}:{minutes:02}:{:02} UTC", seconds % 60).into();
        clock.changed();
    }
    if left == Some(0) {
        driver.stop();
        return;
    }
    let to_the_second = Duration::from_secs(seconds + 1).saturating_sub(since_epoch());
    let (next, clock) = (Rc::downgrade(driver), Rc::clone(clock));
    let job = Job::new(move || {
        if let Some(driver) = next.upgrade() {
            tick(&driver, &clock, left.map(|left| left - 1));
        }
    });
    driver.push_at(Time::now() + to_the_second, job);
}

fn main() -> std::io::Result<()> {
    let seconds = std::env::args()
        .skip_while(|word| word != "--seconds")
        .nth(1);
    let clock = Rc::new(QObjectBox::new(Clock::default()));
    let mut engine = QmlEngine::new();
    let driver = qml::drive(&engine)?;
    engine.set_object_property("clock".into(), clock.pinned());
    tick(
        &driver,
        &clock,
        seconds.and_then(|seconds| seconds.parse().ok()),
    );
    engine.load_data(FACE.into());
    engine.exec();
    Ok(())
}
