//! The table, from files to Markdown, with codecs whose behaviour is known.

use lmcodec_eval::recompress::codec::{CodecError, Recompressor, Store};
use lmcodec_eval::recompress::document::document;
use lmcodec_eval::recompress::measure::{RecompressionError, SourceSet, measure};
use lmcodec_eval::recompress::peers_csv::{self, Merged, PeersCsvError};
use lmcodec_eval::recompress::table::{JoinError, Origin, RecompressionTable};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A JPEG of a smooth pattern with some texture, by the `image` crate's own encoder.
fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, y| {
        let v = ((x * 7 + y * 3) % 200) as u8;
        image::Rgb([v, v / 2 + (x * y % 17) as u8, 255 - v])
    });
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&image).unwrap();
    bytes
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("b.jpg"), jpeg(64, 48)).unwrap();
    std::fs::write(dir.path().join("a.JPEG"), jpeg(40, 80)).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "no image").unwrap();
    dir
}

fn set(name: &str, folder: &Path) -> SourceSet {
    SourceSet::from_folder(name, folder).unwrap()
}

/// Halves the file, and gives back something else.
struct Lossy;
impl Recompressor for Lossy {
    fn name(&self) -> &str {
        "lossy"
    }
    fn encode(&self, jpeg: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(jpeg[..jpeg.len() / 2].to_vec())
    }
    fn decode(&self, coded: &[u8]) -> Result<Vec<u8>, CodecError> {
        Ok(coded.to_vec())
    }
}

/// Refuses files whose first image row is 64 pixels wide; cannot decode.
struct Picky;
impl Recompressor for Picky {
    fn name(&self) -> &str {
        "picky"
    }
    fn encode(&self, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
        if bytes == jpeg(64, 48) { Err(CodecError::Codec("too wide".into())) } else { Ok(vec![0; 100]) }
    }
    fn decode(&self, _: &[u8]) -> Result<Vec<u8>, CodecError> {
        Err(CodecError::Codec("cannot".into()))
    }
}

fn table(folder: &Path, threads: usize) -> RecompressionTable {
    let steps = AtomicUsize::new(0);
    let table = measure(&[set("s", folder)], &[&Store, &Lossy, &Picky], threads, &|| {
        steps.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(steps.into_inner(), 6);
    table
}

#[test]
fn sums_exactness_and_failures() {
    let dir = folder();
    let (a, b) = (jpeg(40, 80).len() as f64, jpeg(64, 48).len() as f64);
    let table = table(dir.path(), 1);
    let set = &table.sets[0];
    assert_eq!(set.images.iter().map(|i| &*i.image).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((set.images[1].width, set.images[1].height), (Some(64), Some(48)));
    let mean_bpp = (8.0 * a / 3200.0 + 8.0 * b / 3072.0) / 2.0;
    assert!((set.source_mean_bpp.unwrap() - mean_bpp).abs() < 1e-12);

    let [store, lossy, picky] = &set.codecs[..] else { panic!() };
    assert_eq!((store.byte_exact, store.saving_percent, store.failed), (Some(2), Some(0.0), 0));
    assert!(store.encode_mp_per_wall_s.unwrap() > 0.0 && store.files[0].encode_cpu_s.is_some());
    assert_eq!((lossy.byte_exact, lossy.coded_files), (Some(0), 2));
    let halves = (a / 2.0).floor() + (b / 2.0).floor();
    assert!((lossy.saving_percent.unwrap() - 100.0 * (1.0 - halves / (a + b))).abs() < 1e-9);
    assert_eq!((picky.coded_files, picky.failed, picky.byte_exact, picky.coded_bytes), (1, 1, Some(0), 100));
    assert_eq!(picky.source_bytes as f64, a);
    assert_eq!(picky.files[0].error.as_deref(), Some("decode: cannot"));
    assert_eq!(picky.files[1].error.as_deref(), Some("encode: too wide"));

    let text = document(&table).to_markdown();
    assert!(text.contains(&format!("| store | {mean_bpp:.3} (0.0) | 2/2 |")), "{text}");
    assert!(text.contains("(1/2) | 0/1 |"), "{text}");
    assert_eq!(serde_json::from_slice::<RecompressionTable>(&serde_json::to_vec(&table).unwrap()).unwrap(), table);
    assert!(!serde_json::to_string(&table).unwrap().contains(&*dir.path().to_string_lossy()));
}

#[test]
fn threads_change_no_size_but_hide_cpu_time() {
    let dir = folder();
    let (one, two) = (table(dir.path(), 1), table(dir.path(), 2));
    for (a, b) in one.sets[0].codecs.iter().zip(&two.sets[0].codecs) {
        assert_eq!((a.coded_bytes, a.byte_exact, a.mean_bpp), (b.coded_bytes, b.byte_exact, b.mean_bpp));
        assert_eq!(b.encode_mp_per_cpu_s, None);
        assert!(b.encode_mp_per_wall_s.is_some());
    }
}

#[test]
fn published_sizes_count_for_the_same_source_only() {
    let dir = folder();
    let (a, b) = (jpeg(40, 80).len(), jpeg(64, 48).len());
    let mut table = table(dir.path(), 1);
    let csv = format!(
        "set,image,codec,source_bytes,coded_bytes\ns,a,best,{a},200\ns,b,best,{},10\ns,b,other,{b},300\n\nt,a,best,{a},1\n",
        b + 1
    );
    let merged = peers_csv::merge(&mut table, &peers_csv::parse(&csv).unwrap(), "a list");
    assert_eq!(merged, Merged { used: 2, other_source: 1, not_measured: 1 });
    let published: Vec<_> = table.sets[0].codecs.iter().filter(|c| c.origin == Origin::Published).collect();
    assert_eq!(
        published.iter().map(|c| (&*c.codec, c.coded_bytes)).collect::<Vec<_>>(),
        [("best", 200), ("other", 300)]
    );
    assert_eq!((published[0].source_bytes as usize, published[0].byte_exact), (a, None));
    assert_eq!(published[0].source.as_deref(), Some("a list"));
    assert!(document(&table).to_markdown().contains("| best † |"));

    assert!(matches!(peers_csv::parse("set,image\n"), Err(PeersCsvError::Header { .. })));
    let bad = "set,image,codec,source_bytes,coded_bytes\ns,a,c,1,2\ns,a,c,1,x\n";
    assert!(matches!(peers_csv::parse(bad), Err(PeersCsvError::Line { line: 3, .. })));
}

#[test]
fn tables_of_the_same_files_become_one() {
    let dir = folder();
    let mut ours = table(dir.path(), 1);
    let mut theirs = ours.clone();
    assert_eq!(ours.join(&theirs, ""), Err(JoinError::Twice { set: "s".into(), codec: "store".into() }));
    let rename = |t: &mut RecompressionTable, name: &str| {
        t.sets[0].codecs.truncate(1);
        t.sets[0].codecs[0].codec = name.into();
    };
    rename(&mut theirs, "there");
    let mut again = theirs.clone();
    ours.join(&theirs, "").unwrap();
    let joined = ours.sets[0].codec("there").unwrap();
    assert_eq!((joined.origin, &joined.source, joined), (Origin::Measured, &None, &theirs.sets[0].codecs[0]));

    // Another machine: its bytes count, its seconds do not.
    rename(&mut again, "elsewhere");
    again.environment.cpu = Some("another".into());
    ours.join(&again, "measured earlier").unwrap();
    let joined = ours.sets[0].codec("elsewhere").unwrap();
    assert_eq!((joined.origin, joined.source.as_deref()), (Origin::Measured, Some("measured earlier")));
    assert_eq!((joined.coded_bytes, joined.byte_exact), (again.sets[0].codecs[0].coded_bytes, Some(2)));
    assert!(joined.encode_mp_per_wall_s.is_none() && joined.files.iter().all(|f| f.decode_wall_s.is_none()));

    // Other source files are another set.
    again.sets[0].images[1].source_bytes += 1;
    let before = ours.clone();
    assert!(matches!(ours.join(&again, ""), Err(JoinError::Source { image, .. }) if image == "b"));
    assert_eq!(ours, before);
    again.sets[0].name = "t".into();
    ours.join(&again, "").unwrap();
    assert_eq!(ours.set("t").unwrap().codecs.len(), 1);
}

#[test]
fn refuses_folders_without_a_table() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(SourceSet::from_folder("s", dir.path()), Err(RecompressionError::Empty { .. })));
    assert!(matches!(SourceSet::from_folder("s", &dir.path().join("no")), Err(RecompressionError::Read { .. })));
    std::fs::write(dir.path().join("a.jpg"), "x").unwrap();
    std::fs::write(dir.path().join("a.jpeg"), "x").unwrap();
    assert!(matches!(SourceSet::from_folder("s", dir.path()), Err(RecompressionError::Duplicate { .. })));
}
