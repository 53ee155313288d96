//! A process that dies between two file operations.
//!
//! After [`kill_after`] the given number of operations of this thread succeed; the next one and all that follow fail and
//! change nothing, temporary files stay where they are: the disk looks as after `kill -9`. [`revive`] ends it.

use std::cell::Cell;
use std::io;

thread_local! {
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
    static DONE: Cell<usize> = const { Cell::new(0) };
}

/// Lets this thread "die" after so many operations.
pub fn kill_after(operations: usize) {
    LEFT.set(Some(operations));
    DONE.set(0);
}

/// Back to life. The number of operations that were tried since [`kill_after`].
pub fn revive() -> usize {
    LEFT.set(None);
    DONE.take()
}

/// Whether the thread is dead.
pub(crate) fn dead() -> bool {
    LEFT.get().is_some_and(|left| DONE.get() > left)
}

pub(crate) fn operation() -> io::Result<()> {
    DONE.set(DONE.get() + 1);
    if dead() { Err(io::Error::other("killed at a file operation (test)")) } else { Ok(()) }
}
