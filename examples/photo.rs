//! A photo there and back in memory: `cargo run --release --example photo -- photo.jpg`.

use std::error::Error;

use lmcodec::{DecodeOptions, Effort, EncodeOptions, Mode, Progress, decode, encode};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("which photo? photo photo.jpg")?;
    let photo = std::fs::read(path)?;

    let options =
        EncodeOptions::new().effort(Effort::Fast).progress(Progress::new(|done| eprint!("\r{:3.0} %", 100.0 * done)));
    let encoded = encode(&photo, &options)?;
    eprintln!();
    let saved = 100.0 * (1.0 - encoded.bytes.len() as f64 / photo.len() as f64);
    println!("{} bytes became {}: {saved:.1} % saved", photo.len(), encoded.bytes.len());
    if let Mode::Stored { reason } = &encoded.summary.mode {
        println!("kept as it is: {reason}");
    }

    // `encode` has checked this already, before it returned.
    assert!(decode(&encoded.bytes, &DecodeOptions::new())? == photo);
    println!("decoded to the very bytes of the photo");
    Ok(())
}
