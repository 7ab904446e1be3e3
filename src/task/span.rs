//! A span of the crate `tracing` per task with the feature `tracing`; empty without it.

#[cfg(feature = "tracing")]
pub(super) struct Span(tracing::Span);

#[cfg(feature = "tracing")]
impl Span {
    /// Makes the span of a task with this type of future. Its location is that of the `spawn` call.
    #[track_caller]
    pub(super) fn new(name: Option<&str>, future: &'static str) -> Span {
        let place = std::panic::Location::caller();
        Span(tracing::trace_span!(
            target: "qtloop::task",
            "task",
            task.name = name,
            location = %place,
            future,
        ))
    }

    pub(super) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        self.0.in_scope(work)
    }
}

#[cfg(not(feature = "tracing"))]
pub(super) struct Span;

#[cfg(not(feature = "tracing"))]
impl Span {
    pub(super) fn new(_name: Option<&str>, _future: &'static str) -> Span {
        Span
    }

    pub(super) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }
}
