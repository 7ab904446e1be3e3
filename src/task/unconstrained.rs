//! Polls futures outside of tokio's cooperative budget.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls a future with tokio's budget disabled.
///
/// tokio renews the budget of its `block_on` when it polls, and its channels take from that budget.
/// While our loop runs inside that `block_on`, tokio does not poll, so futures that wait for its
/// channels would stop after 128 operations. The loop has its own budget.
pub(super) fn poll<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
    #[cfg(feature = "tokio-io")]
    let future = std::pin::pin!(tokio::task::unconstrained(future));
    future.poll(context)
}
