//! What a coded photo tells without being decoded, and one segment of it: `cargo run --release --example look_inside --
//! photo.ljpg [thumbnail.jpg]`.

use std::error::Error;

use lmcodec::{DecodeOptions, Limits, Segment, decode_segment, inspect, metadata};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let file = std::fs::read(arguments.next().ok_or("which file? look_inside photo.ljpg")?)?;

    // No model runs here: all of it is in the header.
    let found = metadata(&file, &Limits::default())?;
    let bytes = |field: Option<&[u8]>| field.map_or("none".to_owned(), |field| format!("{} bytes", field.len()));
    println!("EXIF: {}", bytes(found.exif.as_deref()));
    println!("colour profile: {}", bytes(found.icc.as_deref()));
    println!("thumbnail: {}", bytes(found.thumbnail()));
    for comment in &found.comments {
        println!("comment: {}", String::from_utf8_lossy(comment));
    }
    if let (Some(path), Some(thumbnail)) = (arguments.next(), found.thumbnail()) {
        std::fs::write(path, thumbnail)?;
    }

    let options = DecodeOptions::new();
    let about = inspect(&file, &options)?;
    println!("{} segments", about.segments.len());
    // The model runs on the last segment alone.
    let last = about.segments.len() - 1;
    match decode_segment(&file, last, &options)? {
        Segment::Rows(rows) => {
            println!("segment {last} has lines {}..{}", rows.lines.start, rows.lines.end);
            for component in &rows.components {
                let nonzero = component.coefficients.iter().flatten().filter(|&&value| value != 0).count();
                let (blocks, id) = (component.coefficients.len(), component.id);
                println!(
                    "component {id}: rows of blocks {:?}, {blocks} blocks, {nonzero} coefficients that are not 0",
                    component.block_rows
                );
            }
        }
        Segment::Codes(codes) => {
            println!("segment {last} has {} codes of an array {:?}", codes.codes.len(), codes.shape)
        }
        _ => println!("segment {last} is of a kind that this example does not know"),
    }
    Ok(())
}
