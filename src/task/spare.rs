//! A free list of task allocations, per thread and size class.
//!
//! With 1,000 live tasks, malloc was a third of the cost of a short task. Each size class has at
//! most 1024 blocks, which are freed when the thread ends. Builds with debug assertions keep none:
//! otherwise a use after free would go undetected, because the block would be the next task.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

/// Sizes are rounded up to a multiple of `STEP`; sizes of more than `STEPS` steps are not kept.
const STEP: usize = 64;
const STEPS: usize = 8;

/// The maximum number of blocks per size class and thread.
const KEPT: u32 = 1024;
const KEEPS: bool = cfg!(test) || !cfg!(debug_assertions);

/// A free block, with a pointer to the next one.
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

/// Returns the size class of a layout, if it has one, and the layout that its blocks are allocated
/// with.
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

/// Allocates memory for a `T`.
pub(super) fn allocate<T>() -> NonNull<T> {
    let (place, layout) = const {
        assert!(size_of::<T>() > 0);
        place(Layout::new::<T>())
    };
    let kept = place.and_then(|place| SPARES.try_with(|spares| spares.0[place].pop()).ok()?);
    if let Some(block) = kept {
        return block.cast();
    }
    // SAFETY: the size is not zero.
    let block = unsafe { alloc(layout) };
    NonNull::new(block.cast()).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Frees the memory; callable on any thread.
///
/// # Safety
/// It comes from [`allocate`], and holds no value any more.
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
        // SAFETY: the list contains only free blocks, which it owns.
        self.top.set(unsafe { block.as_ref() }.0);
        self.height.set(self.height.get() - 1);
        Some(block)
    }

    /// Adds a block; returns false if the list is full.
    fn push(&self, block: NonNull<Block>) -> bool {
        if !KEEPS || self.height.get() >= KEPT {
            return false;
        }
        // SAFETY: the block is free, large enough and aligned.
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
                // SAFETY: blocks of this size class are allocated with this layout.
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

    /// Allocates `count` blocks at once, and frees them.
    fn use_all<T>(count: usize) -> Vec<NonNull<T>> {
        let all: Vec<_> = (0..count).map(|_| allocate::<T>()).collect();
        for &room in &all {
            // SAFETY: it comes from `allocate`, and holds no value.
            unsafe { free(room) };
        }
        all
    }

    fn height(size: usize) -> u32 {
        SPARES.with(|spares| spares.0[size.div_ceil(STEP) - 1].height.get())
    }

    #[test]
    fn freed_block_is_reused_for_the_same_size_class() {
        let first = use_all::<[u8; 100]>(1);
        assert_eq!(use_all::<[u64; 10]>(1)[0], first[0].cast());
        assert_eq!((height(100), height(20)), (1, 0));
        use_all::<[u8; 20]>(1);
        assert_eq!((height(100), height(20)), (1, 1));
    }

    #[test]
    fn free_list_is_bounded() {
        use_all::<[u8; 200]>(KEPT as usize + 10);
        assert_eq!(height(200), KEPT);
    }

    #[test]
    fn large_or_overaligned_blocks_are_not_kept() {
        use_all::<[u8; STEP * STEPS + 1]>(3);
        let wide = use_all::<Wide>(3);
        assert!(wide.iter().all(|room| room.is_aligned()));
        assert!((1..=STEPS).all(|steps| height(steps * STEP) == 0));
    }

    #[test]
    fn thread_keeps_blocks_that_others_have_allocated() {
        struct Sent(NonNull<[u8; 100]>);
        // SAFETY: the block holds no value.
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
