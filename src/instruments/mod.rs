//! Instruments: what a loop does, while it does it. They know no front end.

pub(crate) mod watchdog;
