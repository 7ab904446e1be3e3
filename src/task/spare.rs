//! The memory of tasks that have ended, kept for the next ones of about their size.
//!
//! A thousand tasks at once are more than an allocator has at hand for a thread, and it takes a third of the time that a short one
//! costs in all. What is kept is bounded, and goes with the thread. Where overflows are looked for, in builds with debug assertions,
//! nothing is kept: else a task that is used after its end would look like the next one.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

/// Sizes are rounded up to so many bytes, and what is larger than so many steps is not kept.
const STEP: usize = 64;
const STEPS: usize = 8;

/// How many blocks of a size a thread keeps.
const KEPT: u32 = 1024;
const KEEPS: bool = cfg!(test) || !cfg!(debug_assertions);

/// A block that is not in use, in a list.
struct Block(Option<NonNull<Block>>);

struct Stack {
    top: Cell<Option<NonNull<Block>>>,
    height: Cell<u32>,
}

struct Spares([Stack; STEPS]);

thread_local! {
    static SPARES: Spares = const {
        Spares([const { Stack { top: Cell::new(None), height: Cell::new(0) } }; STEPS])
    };
}

/// Where a layout's blocks are kept, and what they are allocated as.
const fn place(layout: Layout) -> (Option<usize>, Layout) {
    let steps = layout.size().div_ceil(STEP);
    if steps == 0 || steps > STEPS || layout.align() > align_of::<u128>() {
        return (None, layout);
    }
    match Layout::from_size_align(steps * STEP, align_of::<u128>()) {
        Ok(rounded) => (Some(steps - 1), rounded),
        Err(_) => (None, layout),
    }
}

/// Room for a `T`.
pub(super) fn allocate<T>() -> NonNull<T> {
    let (place, layout) = const {
        assert!(size_of::<T>() > 0);
        place(Layout::new::<T>())
    };
    let kept = place.and_then(|place| SPARES.try_with(|spares| spares.0[place].pop()).ok()?);
    if let Some(block) = kept {
        return block.cast();
    }
    // SAFETY: its size is not zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives it back; on any thread.
///
/// # Safety
/// It comes from [`allocate`], and nothing is in it any more.
pub(super) unsafe fn free<T>(room: NonNull<T>) {
    let (place, layout) = const { place(Layout::new::<T>()) };
    let is_kept = place.is_some_and(|place| {
        let keep = |spares: &Spares| spares.0[place].push(room.cast());
        SPARES.try_with(keep).unwrap_or(false)
    });
    if !is_kept {
        // SAFETY: the caller's promise.
        unsafe { dealloc(room.as_ptr().cast(), layout) };
    }
}

impl Stack {
    fn pop(&self) -> Option<NonNull<Block>> {
        let block = self.top.get()?;
        // SAFETY: what is in the list is ours, and a block.
        self.top.set(unsafe { block.as_ref() }.0);
        self.height.set(self.height.get() - 1);
        Some(block)
    }

    /// False if there are enough.
    fn push(&self, block: NonNull<Block>) -> bool {
        if !KEEPS || self.height.get() >= KEPT {
            return false;
        }
        // SAFETY: nothing is in it, and it is large enough, and aligned.
        unsafe { block.write(Block(self.top.get())) };
        self.top.set(Some(block));
        self.height.set(self.height.get() + 1);
        true
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for (stack, steps) in self.0.iter().zip(1..) {
            let (_, layout) = place(Layout::from_size_align(steps * STEP, 1).expect("a small one"));
            while let Some(block) = stack.pop() {
                // SAFETY: a block of this size is allocated as this.
                unsafe { dealloc(block.as_ptr().cast(), layout) };
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[repr(align(64))]
    struct Wide {
        _bytes: [u8; 64],
    }

    /// Allocates so many at once, and frees them.
    fn use_all<T>(count: usize) -> Vec<NonNull<T>> {
        let all: Vec<_> = (0..count).map(|_| allocate::<T>()).collect();
        for &room in &all {
            // SAFETY: it is from `allocate`, and nothing was put into it.
            unsafe { free(room) };
        }
        all
    }

    fn height(size: usize) -> u32 {
        SPARES.with(|spares| spares.0[size.div_ceil(STEP) - 1].height.get())
    }

    #[test]
    fn the_last_to_go_makes_room_for_the_next_of_about_its_size() {
        let first = use_all::<[u8; 100]>(1);
        assert_eq!(use_all::<[u64; 10]>(1)[0], first[0].cast());
        assert_eq!((height(100), height(20)), (1, 0));
        use_all::<[u8; 20]>(1);
        assert_eq!((height(100), height(20)), (1, 1));
    }

    #[test]
    fn no_more_is_kept_than_is_allowed() {
        use_all::<[u8; 200]>(KEPT as usize + 10);
        assert_eq!(height(200), KEPT);
    }

    #[test]
    fn what_is_large_or_aligned_in_another_way_is_not_kept() {
        use_all::<[u8; STEP * STEPS + 1]>(3);
        let wide = use_all::<Wide>(3);
        assert!(wide.iter().all(|room| room.is_aligned()));
        assert!((1..=STEPS).all(|steps| height(steps * STEP) == 0));
    }

    #[test]
    fn a_thread_keeps_what_others_have_allocated() {
        struct Sent(NonNull<[u8; 100]>);
        // SAFETY: nothing is in it.
        unsafe impl Send for Sent {}

        let sent = Sent(allocate());
        let thread = std::thread::spawn(move || {
            let sent = sent;
            // SAFETY: as in `use_all`.
            unsafe { free(sent.0) };
            height(100)
        });
        assert_eq!(thread.join().expect("no panic"), 1);
        assert_eq!(height(100), 0);
    }
}
