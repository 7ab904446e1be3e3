//! A free list of task allocations, per thread and size class.
//!
//! With 1,000 live tasks, malloc was a third of the cost of a short task. Each size class has at
//! most 1024 blocks, which are freed when the thread ends. Builds with debug assertions keep none:
//! otherwise a use after free would go undetected, because the block would be the next task.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

/// Sizes are rounded up to a multiple of `SIZE_CLASS`; sizes of more than `SIZE_CLASSES` steps are
/// not kept.
const SIZE_CLASS: usize = 64;
const SIZE_CLASSES: usize = 8;

/// The maximum number of blocks per size class and thread.
const MAX_FREE: u32 = 1024;
const ENABLED: bool = cfg!(test) || !cfg!(debug_assertions);

/// A free block, with a pointer to the next one.
struct Block(Option<NonNull<Block>>);

struct FreeList {
    first: Cell<Option<NonNull<Block>>>,
    len: Cell<u32>,
}

struct FreeLists([FreeList; SIZE_CLASSES]);

thread_local! {
    static FREE_LISTS: FreeLists = const {
        FreeLists([const { FreeList { first: Cell::new(None), len: Cell::new(0) } }; SIZE_CLASSES])
    };
}

/// Returns the size class of a layout, if it has one, and the layout that its blocks are allocated
/// with.
const fn size_class(layout: Layout) -> (Option<usize>, Layout) {
    let classes = layout.size().div_ceil(SIZE_CLASS);
    if classes == 0 || classes > SIZE_CLASSES || layout.align() > align_of::<u128>() {
        return (None, layout);
    }
    match Layout::from_size_align(classes * SIZE_CLASS, align_of::<u128>()) {
        Ok(rounded) => (Some(classes - 1), rounded),
        Err(_) => (None, layout),
    }
}

/// Allocates memory for a `T`.
pub(super) fn allocate<T>() -> NonNull<T> {
    let (size_class, layout) = const {
        assert!(size_of::<T>() > 0);
        size_class(Layout::new::<T>())
    };
    let reused = size_class.and_then(|size_class| {
        FREE_LISTS
            .try_with(|lists| lists.0[size_class].pop())
            .ok()?
    });
    if let Some(block) = reused {
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
pub(super) unsafe fn free<T>(block: NonNull<T>) {
    let (size_class, layout) = const { size_class(Layout::new::<T>()) };
    let is_reused = size_class.is_some_and(|size_class| {
        let keep = |lists: &FreeLists| lists.0[size_class].push(block.cast());
        FREE_LISTS.try_with(keep).unwrap_or(false)
    });
    if !is_reused {
        // SAFETY: the caller's promise.
        unsafe { dealloc(block.as_ptr().cast(), layout) };
    }
}

impl FreeList {
    fn pop(&self) -> Option<NonNull<Block>> {
        let block = self.first.get()?;
        // SAFETY: the list contains only free blocks, which it owns.
        self.first.set(unsafe { block.as_ref() }.0);
        self.len.set(self.len.get() - 1);
        Some(block)
    }

    /// Adds a block; returns false if the list is full.
    fn push(&self, block: NonNull<Block>) -> bool {
        if !ENABLED || self.len.get() >= MAX_FREE {
            return false;
        }
        // SAFETY: the block is free, large enough and aligned.
        unsafe { block.write(Block(self.first.get())) };
        self.first.set(Some(block));
        self.len.set(self.len.get() + 1);
        true
    }
}

impl Drop for FreeLists {
    fn drop(&mut self) {
        for (stack, classes) in self.0.iter().zip(1..) {
            let (_, layout) =
                size_class(Layout::from_size_align(classes * SIZE_CLASS, 1).expect("a small one"));
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
        for &block in &all {
            // SAFETY: it comes from `allocate`, and holds no value.
            unsafe { free(block) };
        }
        all
    }

    fn len(size: usize) -> u32 {
        FREE_LISTS.with(|lists| lists.0[size.div_ceil(SIZE_CLASS) - 1].len.get())
    }

    #[test]
    fn freed_block_is_reused_for_the_same_size_class() {
        let first = use_all::<[u8; 100]>(1);
        assert_eq!(use_all::<[u64; 10]>(1)[0], first[0].cast());
        assert_eq!((len(100), len(20)), (1, 0));
        use_all::<[u8; 20]>(1);
        assert_eq!((len(100), len(20)), (1, 1));
    }

    #[test]
    fn free_list_is_bounded() {
        use_all::<[u8; 200]>(MAX_FREE as usize + 10);
        assert_eq!(len(200), MAX_FREE);
    }

    #[test]
    fn large_or_overaligned_blocks_are_not_kept() {
        use_all::<[u8; SIZE_CLASS * SIZE_CLASSES + 1]>(3);
        let wide = use_all::<Wide>(3);
        assert!(wide.iter().all(|block| block.is_aligned()));
        assert!((1..=SIZE_CLASSES).all(|classes| len(classes * SIZE_CLASS) == 0));
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
            len(100)
        });
        assert_eq!(thread.join().expect("no panic"), 1);
        assert_eq!(len(100), 0);
    }
}
