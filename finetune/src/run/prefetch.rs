//! The batches of the steps to come, made on a thread of their own.

use std::any::Any;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use super::error::RunError;

/// What makes the batches of a step (counted from 0). They may depend on the step alone, so that a resumed run sees what an
/// uninterrupted one would.
pub(crate) type Source<S> = Box<dyn FnMut(usize) -> Result<S, RunError> + Send>;

/// A thread that runs a [`Source`] some steps ahead. Its error or panic comes out of [`next`](Self::next) in place of the
/// batches that it did not make; it is never taken for the end of the training.
pub(crate) struct Prefetch<S> {
    batches: Option<Receiver<S>>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl<S: Send + 'static> Prefetch<S> {
    /// Begins with the batches of `steps`, at most `ahead` steps before they are asked for.
    pub(crate) fn start(steps: Range<usize>, ahead: usize, mut source: Source<S>) -> Self {
        let (send, receive) = sync_channel(ahead);
        let thread = std::thread::spawn(move || {
            for step in steps {
                if send.send(source(step)?).is_err() {
                    // Nobody wants them any more.
                    break;
                }
            }
            Ok(())
        });
        Self { batches: Some(receive), thread: Some(thread) }
    }

    /// The batches of the next step, which is `step` (counted from 0).
    pub(crate) fn next(&mut self, step: usize) -> Result<S, RunError> {
        if let Some(Ok(batches)) = self.batches.as_ref().map(Receiver::recv) {
            return Ok(batches);
        }
        let step = step + 1;
        Err(match self.thread.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => RunError::SourcePanicked { step, message: message(panic.as_ref()) },
            Some(Ok(Ok(()))) | None => RunError::SourceEnded { step },
        })
    }
}

impl<S> Drop for Prefetch<S> {
    fn drop(&mut self) {
        // A thread that waits to send wakes up and ends. What it says then concerns no step that was asked for.
        self.batches = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_come_in_order_and_an_early_end_is_an_error() {
        let mut prefetch = Prefetch::start(3..6, 2, Box::new(|step| Ok(10 * step)));
        let found: Vec<_> = (3..6).map(|step| prefetch.next(step).expect("batches")).collect();
        assert_eq!(found, [30, 40, 50]);
        for _ in 0..2 {
            assert!(matches!(prefetch.next(6), Err(RunError::SourceEnded { step: 7 })));
        }
    }

    #[test]
    fn a_panic_and_an_error_come_out_at_their_step() {
        let source = |step| if step == 2 { panic!("no photo {step}") } else { Ok(step) };
        let mut prefetch = Prefetch::start(0..9, 4, Box::new(source));
        assert_eq!((prefetch.next(0).expect("batches"), prefetch.next(1).expect("batches")), (0, 1));
        let error = prefetch.next(2).expect_err("a panic");
        assert_eq!(error.to_string(), "step 3: the thread that makes the batches panicked: no photo 2");

        let source = |step| if step == 1 { Err(RunError::NotFinite { step, what: "a pixel" }) } else { Ok(step) };
        let mut prefetch = Prefetch::start(0..9, 4, Box::new(source));
        prefetch.next(0).expect("batches");
        assert!(matches!(prefetch.next(1), Err(RunError::NotFinite { step: 1, .. })));
    }

    #[test]
    fn a_source_that_is_not_emptied_ends_with_its_reader() {
        let (alive, ended) = sync_channel::<()>(0);
        let source = move |step| {
            let _still_here = &alive;
            Ok(step)
        };
        let mut prefetch = Prefetch::start(0..usize::MAX, 1, Box::new(source));
        prefetch.next(0).expect("batches");
        drop(prefetch);
        assert!(ended.recv().is_err(), "the thread has ended");
    }
}
