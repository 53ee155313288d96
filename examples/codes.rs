//! Codebook indices from a reader to a writer, on a thread pool of one's own: `cargo run --release --example codes -- codes.npy
//! codes.lrvq`.
//!
//! The array has the shape [steps, layers], as neural audio codecs give it.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use lmcodec::{CodesMedium, CodesOptions, EncodeOptions, Executor, Limits, encode_codes_from};

/// A pool that the program has anyway.
struct Pool(rayon::ThreadPool);

impl Executor for Pool {
    fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        self.0.scope(|scope| (0..count).for_each(|index| scope.spawn(move |_| task(index))));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(input), Some(output)) = (arguments.next(), arguments.next()) else {
        return Err("which files? codes codes.npy codes.lrvq".into());
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;

    // Segments of 2^16 codes are coded side by side; each costs some bytes, as the model starts anew in it.
    let codes = CodesOptions::new(CodesMedium::Rvq { layers_first: false }).segment_codes(1 << 16);
    let limits = Limits::default().max_original_bytes(256 << 20);
    let options = EncodeOptions::new().limits(limits).executor(Arc::new(Pool(pool)));
    let mut writer = BufWriter::new(File::create_new(output)?);
    let summary = encode_codes_from(File::open(input)?, &mut writer, &codes, &options)?;

    let bits = 8.0 * summary.coded_bytes as f64;
    println!("{} bytes became {}", summary.original_bytes, summary.coded_bytes);
    if let Some(symbols) = summary.symbols {
        println!("{symbols} codes, {:.3} bits each", bits / symbols as f64);
    }
    Ok(())
}
