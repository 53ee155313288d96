//! One call before each operation that changes the disk.

use std::io;

/// Counts an operation; an error if the process is to be dead by now (tests only).
#[cfg(feature = "testing")]
pub(crate) fn operation() -> io::Result<()> {
    crate::testing::operation()
}

/// Counts an operation (in tests; here it does nothing).
#[cfg(not(feature = "testing"))]
#[expect(clippy::unnecessary_wraps, reason = "the test version fails")]
pub(crate) fn operation() -> io::Result<()> {
    Ok(())
}
