//! Who does the work of a call: threads, kernels, and who hears how far it is. Nothing here changes a bit of any result.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lmcodec_entropy::isa::{Isa, Kernel};
use rayon::prelude::*;

use crate::error::Error;

/// Hears how much of a call is done: called from any thread with a fraction from 0 to 1.
#[derive(Clone)]
pub struct Progress(Arc<dyn Fn(f64) + Send + Sync>);

impl Progress {
    /// Wraps a function.
    pub fn new(hear: impl Fn(f64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    pub(crate) fn at(&self, fraction: f64) {
        (self.0)(fraction.clamp(0.0, 1.0));
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

/// The caller's threads, for programs that have a thread pool of their own.
///
/// ```
/// /// Threads that live as long as the work.
/// struct Scoped(usize);
///
/// impl lmcodec::Executor for Scoped {
///     fn threads(&self) -> usize {
///         self.0
///     }
///
///     fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
///         std::thread::scope(|scope| (0..count).for_each(|index| drop(scope.spawn(move || task(index)))));
///     }
/// }
///
/// let options = lmcodec::DecodeOptions::new().executor(std::sync::Arc::new(Scoped(4)));
/// ```
pub trait Executor: Send + Sync {
    /// How many tasks can run side by side, at least 1.
    fn threads(&self) -> usize;

    /// Calls `task(0)`, `task(1)`, … `task(count - 1)`, each once, on any threads and in any order, and returns when all have
    /// returned. `count` is at most [`threads`](Self::threads), and no task waits for another.
    fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync));
}

/// The rayon pool that the call is made in, or rayon's global one.
struct Rayon;

impl Executor for Rayon {
    fn threads(&self) -> usize {
        rayon::current_num_threads()
    }

    fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..count).into_par_iter().with_max_len(1).for_each(task);
    }
}

/// How many threads, and with which instructions. Neither changes a bit of any result.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Execution {
    /// Threads for the segments of this call, at most; never more than the executor has. `None`: all of them.
    pub threads: Option<NonZeroUsize>,
    /// Whose threads; `None`: those of the current rayon pool, by default one a core.
    pub executor: Option<Arc<dyn Executor>>,
    /// The kernels of the model; `None`: the fastest of this processor.
    pub kernel: Option<Kernel>,
    /// Hears how far the call is.
    pub progress: Option<Progress>,
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let executor = self.executor.as_ref().map_or("rayon", |_| "the caller's");
        f.debug_struct("Execution")
            .field("threads", &self.threads)
            .field("executor", &executor)
            .field("kernel", &self.kernel)
            .field("progress", &self.progress)
            .finish()
    }
}

impl Execution {
    /// All threads of the current rayon pool, the fastest kernel.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets [`threads`](Self::threads); 0 is all.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads: NonZeroUsize::new(threads), ..self }
    }

    /// Sets [`executor`](Self::executor).
    #[must_use]
    pub fn executor(self, executor: Arc<dyn Executor>) -> Self {
        Self { executor: Some(executor), ..self }
    }

    /// Sets [`kernel`](Self::kernel).
    #[must_use]
    pub fn kernel(self, kernel: Kernel) -> Self {
        Self { kernel: Some(kernel), ..self }
    }

    /// Sets [`progress`](Self::progress).
    #[must_use]
    pub fn progress(self, progress: Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    pub(crate) fn isa(&self) -> Result<Isa, Error> {
        let isa = self.kernel.map_or_else(|| Ok(Isa::detect()), Isa::new);
        isa.map_err(|error| Error::InvalidOption(error.to_string()))
    }

    fn who(&self) -> &dyn Executor {
        self.executor.as_deref().unwrap_or(&Rayon)
    }

    /// Threads that this call may use.
    fn most(&self) -> usize {
        let most = self.who().threads().max(1);
        self.threads.map_or(most, |threads| threads.get().min(most))
    }

    /// With as many threads as there is memory for: each takes `bytes` of at most `most` together.
    pub(crate) fn within(&self, bytes: u64, most: u64) -> Result<Self, Error> {
        Error::limit("bytes of keys and values", bytes, most)?;
        let fit = usize::try_from(most / bytes.max(1)).unwrap_or(usize::MAX);
        Ok(Self { threads: NonZeroUsize::new(self.most().min(fit)), ..self.clone() })
    }

    /// `work(0..count)` in order, on as many threads as the call may use. After an error nothing more is begun.
    pub(crate) fn in_parallel<T: Send>(
        &self,
        count: usize,
        work: impl Fn(usize) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let threads = self.most().min(count);
        if threads <= 1 {
            return (0..count).map(work).collect();
        }
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let results: Vec<Mutex<Option<Result<T, Error>>>> = (0..count).map(|_| Mutex::new(None)).collect();
        self.who().run(threads, &|_| {
            while !failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(result) = results.get(index) else { return };
                let done = work(index);
                failed.fetch_or(done.is_err(), Ordering::Relaxed);
                *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(done);
            }
        });
        let results = results.into_iter().map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner));
        let (mut whole, mut missing) = (Vec::with_capacity(count), false);
        for result in results {
            match result {
                Some(result) => whole.push(result?),
                None => missing = true,
            }
        }
        match missing {
            true => Err(Error::InvalidOption("the executor has not run all that it was given".into())),
            false => Ok(whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claims to have threads; runs some of the tasks.
    struct Lazy {
        threads: usize,
        runs: usize,
    }

    impl Executor for Lazy {
        fn threads(&self) -> usize {
            self.threads
        }

        fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
            (0..count.min(self.runs)).for_each(task);
        }
    }

    fn execution(threads: usize, runs: usize) -> Execution {
        Execution { executor: Some(Arc::new(Lazy { threads, runs })), ..Execution::default() }
    }

    #[test]
    fn results_are_in_order_whoever_runs_them() {
        for execution in [Execution::default(), execution(3, 3), execution(1, 0), execution(0, 0), execution(8, 1)] {
            let squares = execution.in_parallel(50, |n| Ok(n * n)).expect("works");
            assert_eq!(squares, (0..50).map(|n| n * n).collect::<Vec<_>>());
        }
        assert!(Execution::default().in_parallel(0, |_| Ok(())).expect("works").is_empty());
    }

    #[test]
    fn an_executor_that_does_nothing_is_found_out() {
        let error = execution(4, 0).in_parallel(5, |_| Ok(())).expect_err("nothing was run");
        assert!(matches!(error, Error::InvalidOption(_)), "{error}");
    }

    #[test]
    fn the_first_error_ends_it() {
        for execution in [execution(1, 1), execution(4, 4)] {
            let begun = AtomicUsize::new(0);
            let work = |n| {
                begun.fetch_add(1, Ordering::Relaxed);
                if n == 2 { Err(Error::Image("two".into())) } else { Ok(n) }
            };
            let error = execution.in_parallel(1000, work).expect_err("two");
            assert_eq!(error.to_string(), "image: two");
            assert!(begun.into_inner() < 1000);
        }
    }

    /// However many threads are asked for, no more run than there are.
    #[test]
    fn threads_are_capped() {
        let mut wishful = execution(2, 2);
        wishful.threads = NonZeroUsize::new(20_000);
        assert_eq!(wishful.most(), 2);
        wishful.threads = NonZeroUsize::new(1);
        assert_eq!(wishful.most(), 1);
        assert_eq!(execution(0, 0).most(), 1);
        assert_eq!(execution(8, 8).within(100, 350).expect("three fit").most(), 3);
        assert!(matches!(execution(8, 8).within(100, 99), Err(Error::Limit { found: 100, allowed: 99, .. })));
    }
}
