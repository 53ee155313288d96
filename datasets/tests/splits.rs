//! Splits neither leak nor move.

mod folders;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use folders::*;
use lmcodec_datasets::assignment::{Exclusions, NEAR_BITS, assign, speakers};
use lmcodec_datasets::difference_hash::DifferenceHash;
use lmcodec_datasets::manifest::{Manifest, ManifestEntry};
use lmcodec_datasets::splits::{Split, SplitRatios};
use lmcodec_datasets::survey::{SurveyOptions, survey};
use proptest::prelude::*;

const RATIOS: SplitRatios = SplitRatios { train: 60, validation: 25, test: 15 };

/// A photo: which content it has, which family of near duplicates it is from, and how many bits it differs from the family.
fn photo() -> impl Strategy<Value = ManifestEntry> {
    (any::<u64>(), 0u8..6, prop::collection::vec(0u32..128, 0..8)).prop_map(|(content, family, flips)| {
        let base = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C834u128.wrapping_mul(2 * u128::from(family) + 1);
        let hash = flips.iter().fold(base, |hash, bit| hash ^ 1 << bit);
        ManifestEntry {
            content_sha256: Some(format!("{content:064x}")),
            difference_hash: Some(DifferenceHash(hash)),
            ..ManifestEntry::new(Path::new(&format!("{content:x}.png")), format!("{content:064x}"))
        }
    })
}

fn utterance() -> impl Strategy<Value = ManifestEntry> {
    (0u32..20, any::<u64>()).prop_map(|(speaker, content)| ManifestEntry {
        content_sha256: Some(format!("{content:064x}")),
        speaker: Some(speaker.to_string()),
        ..ManifestEntry::new(Path::new(&format!("{speaker}-{content}.wav")), format!("{content:064x}"))
    })
}

fn assigned(mut entries: Vec<ManifestEntry>, exclusions: &Exclusions) -> Vec<ManifestEntry> {
    assign(&mut entries, RATIOS, NEAR_BITS, exclusions).expect("assigned");
    entries
}

fn by_path(entries: &[ManifestEntry]) -> HashMap<String, Split> {
    entries.iter().map(|e| (e.path.clone(), e.split)).collect()
}

proptest! {
    #[test]
    fn adding_files_moves_no_file_to_another_split(
        old in prop::collection::vec(photo(), 1..30),
        new in prop::collection::vec(photo(), 1..30),
    ) {
        let before = by_path(&assigned(old.clone(), &Exclusions::default()));
        let after = by_path(&assigned(old.into_iter().chain(new).collect(), &Exclusions::default()));
        for (path, split) in before {
            // It may only be withdrawn, and what was withdrawn stays so.
            prop_assert!(after[&path] == split || after[&path] == Split::Excluded, "{path}: {split} then {}", after[&path]);
        }
    }

    #[test]
    fn neither_order_nor_names_matter(entries in prop::collection::vec(photo(), 1..40), turn in any::<prop::sample::Index>()) {
        let mut other = entries.clone();
        other.rotate_left(turn.index(entries.len()));
        other.iter_mut().enumerate().for_each(|(i, e)| e.path = format!("renamed-{i}.jpg"));
        let splits = |entries: Vec<ManifestEntry>| {
            let mut list: Vec<_> =
                assigned(entries, &Exclusions::default()).iter().map(|e| (e.content_sha256.clone(), e.difference_hash.map(|h| h.0), e.split)).collect();
            list.sort();
            list
        };
        prop_assert_eq!(splits(entries), splits(other));
    }

    #[test]
    fn no_pair_of_near_photos_is_in_two_splits(entries in prop::collection::vec(photo(), 1..60)) {
        let entries = assigned(entries, &Exclusions::default());
        let used: Vec<_> = entries.iter().filter(|e| e.split != Split::Excluded).collect();
        for a in &used {
            for b in used.iter().filter(|b| b.split != a.split) {
                let distance = a.difference_hash.zip(b.difference_hash).map(|(a, b)| a.distance(b));
                prop_assert!(distance > Some(NEAR_BITS) && a.content_sha256 != b.content_sha256);
            }
        }
    }

    #[test]
    fn no_photo_near_an_evaluation_set_is_used(
        entries in prop::collection::vec(photo(), 1..40),
        evaluation in prop::collection::vec(photo(), 1..5),
    ) {
        let mut exclusions = Exclusions::default();
        exclusions.add(&Manifest { files: evaluation.clone(), ..Manifest::default() }, "kodak.json");
        for entry in assigned(entries, &exclusions).iter().filter(|e| e.split != Split::Excluded) {
            for fixed in &evaluation {
                let distance = entry.difference_hash.zip(fixed.difference_hash).map(|(a, b)| a.distance(b));
                prop_assert!(distance > Some(NEAR_BITS));
                prop_assert!(entry.content_sha256 != fixed.content_sha256);
            }
        }
    }

    #[test]
    fn a_speaker_is_in_one_split(old in prop::collection::vec(utterance(), 1..60), new in prop::collection::vec(utterance(), 1..40)) {
        let before = assigned(old.clone(), &Exclusions::default());
        let sets = [Split::Train, Split::Validation, Split::Test].map(|s| speakers(&before, s));
        for (i, a) in sets.iter().enumerate() {
            prop_assert!(sets[i + 1..].iter().all(|b| a.is_disjoint(b)));
        }
        let after = by_path(&assigned(old.into_iter().chain(new).collect(), &Exclusions::default()));
        prop_assert!(before.iter().all(|e| after[&e.path] == e.split));
    }
}

#[test]
fn ratios_hold_on_average() {
    let n = 20_000;
    let mut counts = HashMap::new();
    for i in 0..n {
        *counts.entry(RATIOS.split(&format!("content:{i}"))).or_insert(0usize) += 1;
    }
    // Three standard deviations.
    for (split, share) in [(Split::Train, 0.6f64), (Split::Validation, 0.25), (Split::Test, 0.15)] {
        let (expected, deviation) = (share * f64::from(n), (f64::from(n) * share * (1.0 - share)).sqrt());
        assert!((counts[&split] as f64 - expected).abs() < 3.0 * deviation, "{split}: {}", counts[&split]);
    }
    // Fixed for ever: a manifest of one version holds in the next.
    // Computed independently: position = sha256("content:i")[..8] as big-endian · 100 >> 64; test below 15, validation below 40.
    let letters: String = (0..12)
        .map(|i| match RATIOS.split(&format!("content:{i}")) {
            Split::Train => 't',
            Split::Validation => 'v',
            Split::Test => 'e',
            Split::Excluded => 'x',
        })
        .collect();
    assert_eq!(letters, "tttetttetttt");
}

#[test]
fn ratios_in_text() {
    assert_eq!("90/10/0".parse(), Ok(SplitRatios::default()));
    assert_eq!("8:1:1".parse(), Ok(SplitRatios { train: 8, validation: 1, test: 1 }));
    assert_eq!("1".parse(), Ok(SplitRatios { train: 1, validation: 0, test: 0 }));
    for bad in ["", "0/0/0", "1/2/3/4", "-1/2", "0.9/0.1"] {
        assert!(bad.parse::<SplitRatios>().is_err(), "{bad}");
    }
}

#[test]
fn recompressed_and_renamed_evaluation_photos_are_found() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (train, fixed) = (dir.path().join("train"), dir.path().join("fixed"));
    for seed in 0..30 {
        save_picture(&train, &format!("a{seed}.png"), &picture(120, 90, seed));
    }
    for seed in 0..3 {
        save_picture(&fixed, &format!("kodim0{seed}.png"), &picture(240, 180, 100 + seed));
    }
    save_picture(&train, "exact.png", &picture(240, 180, 100));
    save_picture(&train, "recompressed.jpg", &picture(240, 180, 101));
    let smaller = image::imageops::resize(&picture(240, 180, 102), 100, 75, image::imageops::FilterType::Lanczos3);
    save_picture(&train, "smaller.jpg", &smaller);
    let look = |folder: &Path| survey(folder, &SurveyOptions::default(), &|_, _| ()).expect("surveyed");
    let manifest = |folder: &Path, exclusions: &Exclusions| {
        look(folder).manifest("made", "none", RATIOS, NEAR_BITS, exclusions).expect("manifest")
    };
    let mut exclusions = Exclusions::default();
    exclusions.add(&manifest(&fixed, &Exclusions::default()), "kodak.json");
    let manifest = manifest(&train, &exclusions);
    let excluded: HashSet<&str> =
        manifest.files.iter().filter(|f| f.split == Split::Excluded).map(|f| f.path.as_str()).collect();
    assert_eq!(excluded, HashSet::from(["exact.png", "recompressed.jpg", "smaller.jpg"]));
    let reason =
        |path: &str| manifest.files.iter().find(|f| f.path == path).and_then(|f| f.reason.clone()).expect("reason");
    assert_eq!(reason("exact.png"), "same content as kodim00.png of kodak.json");
    assert!(reason("smaller.jpg").contains("of 128 bits) of kodim02.png of kodak.json"));
}
