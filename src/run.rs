//! [`run`] and [`Loop::run`]: a program whose main function is a future.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::process::{ExitCode, Termination};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::driver::Driver;
use crate::qt::{Object, SignalConnection, app};
use crate::task::{Job, Loop, LoopCore, application, current, quit};
use crate::time::sleep;

/// How long after the close of the last window `main` has to react to it: to be polled.
const REACTION: Duration = Duration::from_millis(5);

/// How long a `main` that has reacted has to show another window.
const QUIT_GRACE: Duration = Duration::from_secs(5);

/// Runs a program: Qt's event loop until `main` completes or the application quits. Returns the
/// exit code for `fn main() -> ExitCode`.
///
/// The code is that of the result of `main`, as if `fn main()` had returned it: `()` is success,
/// and an `Err` is printed and is failure. If the application quits first, `main` is dropped, and
/// the code is that of [`quit`]. See [`Loop::run`] for what the close of the last window does.
///
/// It runs on the loop of this thread. A program with windows makes its Qt application and a loop
/// first, such as by `QmlEngine::new()` and [`Loop::attach`], and keeps the engine outside of
/// `main`. If there is no loop, this function makes one, and a `QCoreApplication` if there is no
/// application. That is for programs without windows: Qt has no second application in a process, so
/// `main` must not call `QmlEngine::new()`.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     qtloop::run(async {
///         let stream = qtloop::net::TcpStream::connect("localhost:7").await?;
///         println!("connected to {}", stream.peer_addr()?);
///         Ok::<(), std::io::Error>(())
///     })
/// }
/// ```
///
/// # Panics
/// `main` panics, or a Qt event loop runs on this thread already.
#[track_caller]
pub fn run<F>(main: F) -> ExitCode
where
    F: Future + 'static,
    F::Output: Termination + 'static,
{
    let result = match current() {
        Some(core) => run_on(&core, main),
        None => match Loop::with_app(std::env::args_os()) {
            Ok(event_loop) => event_loop.run(main),
            Err(error) => return Err::<(), _>(error).report(),
        },
    };
    match result {
        Ok(result) => result.report(),
        // The operating system passes on the low eight bits of any code.
        Err(quit) => ExitCode::from(quit.code.to_le_bytes()[0]),
    }
}

impl Loop {
    /// Runs Qt's event loop until `main` completes, and returns its result. If the application
    /// quits first, `main` is dropped. Other tasks live until the loop is dropped.
    ///
    /// When the last window closes, the application quits, unless `quitOnLastWindowClosed` is off.
    /// If the close wakes `main`, such as one that awaits the `closed` signal of a login window,
    /// `main` has 5 seconds to show another window. If it does not, the application quits then.
    ///
    /// On the main thread this runs `QCoreApplication::exec()`, elsewhere `QThread::exec()`. So
    /// `aboutToQuit` is emitted at the end of a run on the main thread. The loop can run again.
    ///
    /// ```no_run
    /// let event_loop = qtloop::Loop::with_app(std::env::args_os())?;
    /// match event_loop.run(async { 6 * 7 }) {
    ///     Ok(answer) => println!("{answer}"),
    ///     Err(quit) => println!("{quit}"),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// A program with QML attaches the loop before it loads QML, so that slots which QML calls
    /// while it loads can start tasks. The `QmlEngine` stays outside of `main`: it owns the Qt
    /// application, which must outlive the loop. The module `qml` has an example.
    ///
    /// # Errors
    /// [`Quit`]: the application quit before `main` completed.
    ///
    /// # Panics
    /// `main` or its destructor panics, or a Qt event loop runs on this thread already: in a slot
    /// or task use [`block_on`](Loop::block_on).
    #[track_caller]
    pub fn run<F>(&self, main: F) -> Result<F::Output, Quit>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        run_on(self.core(), main)
    }
}

#[track_caller]
fn run_on<F>(core: &Rc<LoopCore>, main: F) -> Result<F::Output, Quit>
where
    F: Future + 'static,
    F::Output: 'static,
{
    assert!(
        app::level() == 0,
        "run() inside of a Qt event loop that runs already: use `block_on()` or `spawn_local()` there"
    );
    let main = Main::new(main);
    let (polled, driver) = (Rc::clone(&main), Rc::clone(&core.driver));
    let mut task =
        core.spawn(async move { poll_fn(|context| polled.poll(&driver, context)).await });
    core.driver.begin_run(|| quit(0));
    let last_window = LastWindow::watch(core, &main.polls);
    let code = application::exec();
    drop(last_window);
    core.driver.end_run();
    let polled = Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(Ok(result)) => Ok(result),
        Poll::Ready(Err(error)) if error.is_panic() => {
            std::panic::resume_unwind(error.into_panic())
        }
        Poll::Ready(Err(_)) | Poll::Pending => {
            // First, because the destructor of `main` may panic.
            task.abort();
            main.drop_future();
            application::check();
            Err(Quit { code })
        }
    }
}

/// The error of [`Loop::run`]: the application quit before the future completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quit {
    /// The exit code of the application; -1 if there was no application.
    pub code: i32,
}

impl fmt::Display for Quit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code;
        write!(
            formatter,
            "the application quit with exit code {code} before the future completed"
        )
    }
}

impl std::error::Error for Quit {}

/// The future of a run, which its task shares, so that `run` can drop it before the task.
struct Main<F> {
    future: RefCell<Option<Pin<Box<F>>>>,
    polls: Rc<Cell<u64>>,
}

impl<F: Future> Main<F> {
    fn new(future: F) -> Rc<Main<F>> {
        Rc::new(Main {
            future: RefCell::new(Some(Box::pin(future))),
            polls: Rc::default(),
        })
    }

    /// Polls `main`, and stops the run if `main` completes or panics.
    fn poll(&self, driver: &Driver<Job>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.polls.set(self.polls.get() + 1);
        // Taken out, so that no borrow is alive while it is polled: its poll may run a nested event
        // loop.
        let Some(mut future) = self.future.take() else {
            return Poll::Pending;
        };
        let mut stop = StopOnDrop(Some(driver));
        let result = future.as_mut().poll(context);
        if result.is_pending() {
            self.future.replace(Some(future));
            stop.0 = None;
        }
        result
    }

    fn drop_future(&self) {
        let future = self.future.take();
        drop(future);
    }
}

/// Stops the run of a driver when it is dropped, also by a panic.
///
/// It lives for one poll. In the task it would live until the loop drops the aborted task, and stop
/// the next run.
struct StopOnDrop<'a>(Option<&'a Driver<Job>>);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(driver) = self.0 {
            driver.stop();
        }
    }
}

/// Decides at each close of the last window whether the application quits.
///
/// Qt quits by an event that it posts after the signal `lastWindowClosed`. That event is removed
/// from the queue. The application quits instead if the close has woken no task, or if `main` does
/// not react.
#[derive(Clone)]
struct LastWindow {
    core: Weak<LoopCore>,
    /// How many times `main` was polled.
    polls: Rc<Cell<u64>>,
}

impl LastWindow {
    /// Watches the application until the connection is dropped. `None` on another thread than the
    /// application's, and for a `QCoreApplication`, which has no windows.
    fn watch(core: &Rc<LoopCore>, polls: &Rc<Cell<u64>>) -> Option<SignalConnection> {
        let application = Object::application()?;
        let signal = application.signal("lastWindowClosed()")?;
        let this = LastWindow {
            core: Rc::downgrade(core),
            polls: Rc::clone(polls),
        };
        SignalConnection::new(&application, signal, move |emission| {
            if emission.is_some() {
                this.on_close();
            }
        })
    }

    fn on_close(&self) {
        let Some(core) = self
            .core
            .upgrade()
            .filter(|_| app::quits_with_last_window())
        else {
            return;
        };
        app::forget_quit_soon();
        // Inside a turn, a task closes the window: directly, or in a nested event loop that it
        // runs.
        let is_inside_turn = core.driver.depth() > 0;
        let (this, polls) = (self.clone(), self.polls.get());
        // Runs after all slots that the close calls, and before the next turn.
        app::post(move || {
            let Some(core) = this.core.upgrade() else {
                return;
            };
            // Outside of a turn only Qt's slots queue jobs.
            if is_inside_turn || core.driver.queued_since_turn() > 0 {
                core.spawn(this.quit_unless_main_reacts(polls));
            } else if !app::has_visible_window() {
                app::quit();
            }
        });
    }

    /// Quits if `main` is not polled soon, or shows no window in time. `polls` is how many times it
    /// had been polled before the close.
    async fn quit_unless_main_reacts(self, polls: u64) {
        sleep(REACTION).await;
        if self.polls.get() != polls && !app::has_visible_window() {
            sleep(QUIT_GRACE).await;
        }
        if !app::has_visible_window() {
            app::quit();
        }
    }
}
