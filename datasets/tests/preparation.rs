//! Shards: what they hold, that a killed run goes on, that damage is found.

mod folders;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use folders::*;
use lmcodec_codecs::jpeg::{EncodeOptions, PixelFormat, Subsampling, encode_planes};
use lmcodec_datasets::DatasetError;
use lmcodec_datasets::assignment::{Exclusions, NEAR_BITS};
use lmcodec_datasets::manifest::Manifest;
use lmcodec_datasets::plan::{Pieces, Recipe, RowContent, SampleFormat, Sampling};
use lmcodec_datasets::prepare::{Prepared, prepare};
use lmcodec_datasets::shape::Shape;
use lmcodec_datasets::shards::{Latents, ShardIndex, ShardReader, ShardSet};
use lmcodec_datasets::splits::{Split, SplitRatios};
use lmcodec_datasets::survey::{SurveyOptions, survey};
use lmcodec_datasets::verify::{Difference, verify_manifest, verify_prepared};
use tempfile::TempDir;

const MEMORY: u64 = 1 << 24;

fn folder() -> TempDir {
    tempfile::tempdir().expect("temporary folder")
}

fn manifest(folder: &Path) -> Manifest {
    let survey = survey(folder, &SurveyOptions::default(), &|_, _| ()).expect("surveyed");
    let ratios = SplitRatios { train: 70, validation: 30, test: 0 };
    survey.manifest("made", "none", ratios, NEAR_BITS, &Exclusions::default()).expect("manifest")
}

fn crops(sampling: Sampling) -> Recipe {
    let pieces = Pieces::Crops { count: 50, size: 32, scale: (0.5, 0.9) };
    let content = RowContent::Coefficients { pieces, qualities: vec![20, 80], sampling };
    Recipe { content, splits: vec![Split::Train, Split::Validation], seed: 7, rows_per_shard: 8 }
}

fn run(source: &Path, recipe: &Recipe, out: &Path) -> Result<Prepared, DatasetError> {
    prepare(source, &manifest(source), recipe, out, &|_, _| ())
}

/// Everything in a folder, by name.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("listed").map(|e| e.expect("entry"));
    entries.map(|e| (e.file_name().to_string_lossy().into_owned(), fs::read(e.path()).expect("read"))).collect()
}

#[test]
fn rows_hold_what_libjpeg_would_write() {
    let dir = folder();
    imagenet(&dir.path().join("in"));
    let (source, out) = (dir.path().join("in"), dir.path().join("out"));
    let recipe = Recipe {
        content: RowContent::Coefficients { pieces: Pieces::Whole, qualities: vec![50], sampling: Sampling::S420 },
        ..crops(Sampling::S420)
    };
    run(&source, &recipe, &out).expect("prepared");
    let set = ShardSet::open(&out).expect("opened");
    let rows = set.rows().expect("rows");
    let mut seen = 0;
    for item in set.sequential(|_| true, MEMORY) {
        let (number, latents) = item.expect("row");
        let pixels = image::open(source.join(&rows[number as usize].path)).expect("decodes").into_rgb8();
        let options = EncodeOptions { quality: 50, subsampling: Subsampling::S420, ..EncodeOptions::default() };
        let (width, height) = pixels.dimensions();
        let image = encode_planes(pixels.as_raw(), width, height, PixelFormat::Rgb8, &options).expect("encoded");
        let Latents::Coefficients(planes) = latents else { panic!("coefficients") };
        assert_eq!(planes.len(), 3);
        for (plane, component) in planes.iter().zip(&image.components) {
            assert_eq!((plane.blocks_high, plane.blocks_wide), (component.blocks_high, component.blocks_wide));
            assert_eq!(plane.quantization, component.quantization);
            assert!(plane.coefficients == component.coefficients, "row {number}");
        }
        seen += 1;
    }
    assert_eq!(seen, rows.len());
}

#[test]
fn a_killed_run_goes_on_and_gives_the_same_bytes() {
    let dir = folder();
    let source = dir.path().join("in");
    imagenet(&source);
    let recipe = crops(Sampling::Luma);
    let whole = dir.path().join("whole");
    run(&source, &recipe, &whole).expect("prepared");
    let expected = contents(&whole);

    // Killed in the middle: the process ends between two rows.
    let out = dir.path().join("out");
    let manifest_now = manifest(&source);
    let rows = AtomicU64::new(0);
    let killed = std::panic::catch_unwind(|| {
        prepare(&source, &manifest_now, &recipe, &out, &|_, _| {
            if rows.fetch_add(1, Ordering::Relaxed) > 12 {
                panic!("killed");
            }
        })
    });
    assert!(killed.is_err());
    let index = ShardIndex::load(&out).expect("index");
    assert!(!index.complete && !index.shards.is_empty() && index.shards.len() < expected.len() - 3);
    assert!(ShardSet::open(&out).is_err(), "an unfinished set is not opened");
    let unfinished = verify_prepared(&out, None, 0, &|_, _| ()).expect("verified");
    assert!(unfinished.differences.iter().any(|d| matches!(d, Difference::Incomplete { .. })));
    // What a kill may leave besides: a half-written file, a shard that is not in the index, a damaged shard.
    fs::write(out.join(".lmcodec-abc.tmp"), b"half").expect("written");
    let damaged = out.join(&index.shards[0].file);
    let mut bytes = fs::read(&damaged).expect("read");
    *bytes.last_mut().expect("bytes") ^= 1;
    fs::write(&damaged, bytes).expect("written");

    let done = run(&source, &recipe, &out).expect("resumed");
    assert_eq!(done.kept, index.shards.len() - 1);
    assert_eq!(contents(&out), expected);
    let again = run(&source, &recipe, &out).expect("nothing to do");
    assert_eq!((again.made, again.kept), (0, expected.len() - 3));

    let other = run(&source, &Recipe { seed: 8, ..recipe }, &out).expect_err("another plan");
    assert!(matches!(other, DatasetError::OtherPreparation { .. }), "{other}");
    assert_eq!(contents(&out), expected, "nothing was touched");
}

/// Dead before each of a preparation's file operations in turn, and then run again.
#[test]
fn killed_at_any_file_operation_it_goes_on() {
    let dir = folder();
    let source = dir.path().join("in");
    imagenet(&source);
    let pieces = Pieces::Crops { count: 6, size: 32, scale: (0.5, 0.9) };
    let content = RowContent::Coefficients { pieces, qualities: vec![20], sampling: Sampling::Luma };
    let recipe = Recipe { content, ..crops(Sampling::Luma) };
    let whole = dir.path().join("whole");
    lmcodec_files::testing::kill_after(usize::MAX);
    run(&source, &recipe, &whole).expect("prepared");
    let operations = lmcodec_files::testing::revive();
    assert!(operations > 12, "{operations}");
    let expected = contents(&whole);
    for dead_after in 0..operations {
        let out = dir.path().join(dead_after.to_string());
        lmcodec_files::testing::kill_after(dead_after);
        let killed = run(&source, &recipe, &out);
        lmcodec_files::testing::revive();
        assert!(matches!(killed, Err(DatasetError::Io { .. })), "{dead_after}: {killed:?}");
        run(&source, &recipe, &out).unwrap_or_else(|error| panic!("{dead_after}: {error}"));
        assert!(contents(&out) == expected, "{dead_after}");
    }
}

#[test]
fn threads_change_no_bit() {
    let dir = folder();
    let source = dir.path().join("in");
    imagenet(&source);
    for threads in [1, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        let out = dir.path().join(threads.to_string());
        pool.install(|| run(&source, &crops(Sampling::S444), &out)).expect("prepared");
    }
    assert_eq!(contents(&dir.path().join("1")), contents(&dir.path().join("5")));
}

#[test]
fn a_folder_with_other_things_is_refused() {
    let dir = folder();
    let source = dir.path().join("in");
    imagenet(&source);
    let before = contents(&source.join("train/n01440760"));
    let fault =
        run(&source, &crops(Sampling::Luma), &source.join("train/n01440760")).expect_err("not empty").to_string();
    assert!(fault.contains("is not empty"), "{fault}");
    assert_eq!(contents(&source.join("train/n01440760")), before);
}

#[test]
fn shuffled_order_follows_the_seed_and_keeps_every_row() {
    let dir = folder();
    let source = dir.path().join("in");
    imagenet(&source);
    run(&source, &crops(Sampling::Luma), &dir.path().join("out")).expect("prepared");
    let set = ShardSet::open(&dir.path().join("out")).expect("opened");
    let at_20 = |s: &lmcodec_datasets::shards::ShardEntry| s.quality == Some(20) && s.split == Split::Train;
    // A 32×32 crop holds 16 blocks of 128 bytes: a pool of about ten.
    let order = |seed| -> Vec<u64> { set.shuffled(at_20, 10 * 2048, seed).map(|r| r.expect("row").0).collect() };
    let straight: Vec<u64> = set.sequential(at_20, MEMORY).map(|r| r.expect("row").0).collect();
    assert!(straight.is_sorted() && straight.len() > 20);
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
    let mut sorted = order(3);
    assert_ne!(sorted, straight);
    sorted.sort_unstable();
    assert_eq!(sorted, straight);
    let rows = set.rows().expect("rows");
    assert!(straight.iter().all(|&r| rows[r as usize].quality == Some(20) && rows[r as usize].split == Split::Train));
    let fault = set.sequential(|_| true, 100).next().expect("an item").expect_err("too little memory");
    assert!(matches!(fault, DatasetError::Limit { .. }), "{fault}");
}

#[test]
fn speech_is_resampled_and_sixteen_bits_stay_exact() {
    let dir = folder();
    let source = dir.path().join("in");
    librispeech(&source);
    save_wav(&source, "dev-clean/422/1/422-1-0007.wav", 24000, 2400, 3);
    let content = RowContent::Speech { sample_rate: 16000, format: SampleFormat::I16 };
    let splits = vec![Split::Train, Split::Validation, Split::Test];
    let recipe = Recipe { content, splits, seed: 1, rows_per_shard: 5 };
    let out = dir.path().join("out");
    run(&source, &recipe, &out).expect("prepared");
    let set = ShardSet::open(&out).expect("opened");
    let rows = set.rows().expect("rows");
    assert_eq!(rows.len(), 13);
    for item in set.sequential(|_| true, MEMORY) {
        let (number, latents) = item.expect("row");
        let path = &rows[number as usize].path;
        let Latents::I16(samples) = latents else { panic!("samples") };
        let mut file = hound::WavReader::open(source.join(path)).expect("opened");
        if file.spec().sample_rate == 16000 {
            assert_eq!(samples, file.samples::<i16>().collect::<Result<Vec<_>, _>>().expect("samples"), "{path}");
        } else {
            assert!(samples.len().abs_diff(1600) <= 1, "{}", samples.len());
        }
    }
    assert!(verify_prepared(&out, Some(&source), 100, &|_, _| ()).expect("verified").differences.is_empty());
}

#[test]
fn codes_come_back() {
    let dir = folder();
    let source = dir.path().join("in");
    fs::create_dir(&source).expect("created");
    let data: Vec<u8> = (0..120).map(|i| (i * 7 % 16) as u8).collect();
    save_npy_u8(&source, "lyra.npy", &[40, 3], &data);
    write(&source, "lyra.tsv", "84-1-0000\t0\t12\n174-1-0000\t12\t8\n251-1-0001\t20\t20\n");
    let splits = vec![Split::Train, Split::Validation];
    let recipe = Recipe { splits, rows_per_shard: 2, ..Recipe::default_for(Shape::Codes) };
    let out = dir.path().join("out");
    run(&source, &recipe, &out).expect("prepared");
    let set = ShardSet::open(&out).expect("opened");
    let (manifest, rows) = (set.manifest().expect("manifest"), set.rows().expect("rows"));
    let mut steps = 0;
    for item in set.sequential(|_| true, MEMORY) {
        let (number, latents) = item.expect("row");
        let (first, count) = manifest.files[rows[number as usize].entry].frames.expect("an utterance");
        let range = 3 * first as usize..3 * (first + count) as usize;
        let codes = data[range].iter().map(|&c| u32::from(c)).collect();
        assert_eq!(latents, Latents::Codes { dimensions: vec![count as u32, 3], codes });
        steps += count;
    }
    assert_eq!(steps, 40);
}

#[test]
fn every_flipped_byte_of_a_shard_is_found_and_never_panics() {
    let dir = folder();
    let source = dir.path().join("in");
    imagenet(&source);
    let out = dir.path().join("out");
    run(&source, &crops(Sampling::Luma), &out).expect("prepared");
    let set = ShardSet::open(&out).expect("opened");
    let path = out.join(&set.index().shards[0].file);
    let whole = fs::read(&path).expect("read");
    for at in (0..whole.len()).step_by(23).chain(0..600) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&path, &bytes).expect("written");
        if let Ok(mut reader) = ShardReader::open(&path, MEMORY) {
            for row in 0..reader.rows() {
                let _ = reader.read(row);
            }
        }
    }
    fs::write(&path, &whole[..whole.len() - 1]).expect("written");
    assert!(ShardReader::open(&path, MEMORY).is_err());
    let mut bytes = whole.clone();
    bytes[whole.len() - 1] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let verified = verify_prepared(&out, None, 0, &|_, _| ()).expect("verified");
    let [Difference::Changed { path: name, .. }] = verified.differences.as_slice() else { panic!("{verified:?}") };
    assert_eq!(*name, set.index().shards[0].file);
}

#[test]
fn verify_says_what_differs() {
    let dir = folder();
    let source = dir.path().join("in");
    imagenet(&source);
    let manifest = manifest(&source);
    assert!(verify_manifest(&manifest, &source, &|_, _| ()).expect("verified").differences.is_empty());
    let at = |name: &str| source.join("train/n01440761").join(name);
    fs::remove_file(at("n01440761_0.JPEG")).expect("removed");
    fs::copy(at("n01440761_2.JPEG"), at("n01440761_1.JPEG")).expect("copied");
    save_picture(&source, "train/n01440761/n01440761_9.JPEG", &picture(40, 40, 99));
    let verified = verify_manifest(&manifest, &source, &|_, _| ()).expect("verified");
    let text: Vec<String> = verified.differences.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 3, "{text:?}");
    assert_eq!(text[0], "missing: train/n01440761/n01440761_0.JPEG");
    assert!(text[1].starts_with("changed: train/n01440761/n01440761_1.JPEG: SHA-256 "), "{}", text[1]);
    assert_eq!(text[2], "extra: train/n01440761/n01440761_9.JPEG");
    // A file that changed after the survey is not prepared.
    let fault = prepare(&source, &manifest, &crops(Sampling::Luma), &dir.path().join("out"), &|_, _| ());
    assert!(matches!(fault, Err(DatasetError::Changed { .. })));
}

#[test]
fn rows_are_remade_from_the_source() {
    let dir = folder();
    let source = dir.path().join("in");
    imagenet(&source);
    let out = dir.path().join("out");
    run(&source, &crops(Sampling::S422), &out).expect("prepared");
    let verified = verify_prepared(&out, Some(&source), 30, &|_, _| ()).expect("verified");
    assert_eq!((verified.remade, verified.differences.len()), (30, 0));
    let row = &ShardSet::open(&out).expect("opened").rows().expect("rows")[0];
    save_picture(&source, &row.path, &picture(90, 80, 77));
    let verified = verify_prepared(&out, Some(&source), 1000, &|_, _| ()).expect("verified");
    assert!(verified.differences.iter().any(|d| matches!(d, Difference::Row { row: 0, .. })));
}

#[test]
fn old_manifests_are_read_and_bad_ones_refused() {
    let dir = folder();
    let path = dir.path().join("m.json");
    let old = r#"{"source":"s","licence":"l","validation_one_in":20,
        "files":[{"path":"a.JPEG","sha256":"00","size":[3,4],"split":"validation"}]}"#;
    fs::write(&path, old).expect("written");
    let manifest = Manifest::load(&path).expect("loaded");
    assert_eq!((manifest.files[0].size, manifest.count(Split::Validation)), (Some((3, 4)), 1));
    manifest.save(&path).expect("saved");
    assert_eq!(Manifest::load(&path).expect("loaded"), manifest);
    for bad in ["{}", "", &old.replace("a.JPEG", "../a.JPEG"), &old.replace("a.JPEG", "/etc/passwd")] {
        fs::write(&path, bad).expect("written");
        assert!(matches!(Manifest::load(&path), Err(DatasetError::Manifest { .. })), "{bad}");
    }
}
