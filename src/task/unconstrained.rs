//! Polling past tokio's budget.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls a future, with as much of tokio's budget as it likes.
///
/// Inside of a `block_on` of tokio's, its channels and the like take from a budget that is filled up when tokio polls. While the loop
/// runs in there tokio does not; without this, all that waits for them would stand still after 128 times. The loop has a
/// budget of its own.
pub(super) fn poll<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
    #[cfg(feature = "tokio-io")]
    let future = std::pin::pin!(tokio::task::unconstrained(future));
    future.poll(context)
}
