//! What does a thread allocate? An allocator that counts, around the system's, and the tests that ask it.
#![allow(clippy::expect_used, reason = "tests fail by panicking")]

mod gate;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count() {
    // A thread that ends has nothing to count with any more, and nobody who asks.
    let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a cell of the thread's own and
// allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the contract of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// How often memory was asked for while `work` ran on this thread, and what it gave.
fn counted<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = TAKEN.with(Cell::get);
    let result = work();
    (TAKEN.with(Cell::get) - before, result)
}

#[test]
fn the_allocator_counts_what_is_allocated() {
    assert_eq!(counted(|| "seen".to_owned()).0, 1);
    assert_eq!(counted(|| 1 + 1).0, 0);
}
