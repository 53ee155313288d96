//! Checks on real data, where `LMCODEC_DATA` names a folder that holds it; skipped otherwise.

use std::path::PathBuf;

use lmcodec_datasets::assignment::{Exclusions, NEAR_BITS};
use lmcodec_datasets::shape::Shape;
use lmcodec_datasets::splits::{Split, SplitRatios};
use lmcodec_datasets::survey::{Survey, SurveyOptions, survey, totals};

fn look(below: &str) -> Option<Survey> {
    let folder = PathBuf::from(std::env::var_os("LMCODEC_DATA")?).join(below);
    if !folder.is_dir() {
        eprintln!("skipped: no {below}");
        return None;
    }
    Some(survey(&folder, &SurveyOptions::default(), &|_, _| ()).expect("surveyed"))
}

#[test]
fn kodak_and_clic() {
    let Some(kodak) = look("eval/kodak") else { return };
    assert_eq!((kodak.shape, kodak.entries.len(), kodak.skipped()), (Shape::Kodak, 24, 0));
    assert!(kodak.entries.iter().all(|e| matches!(e.size, Some((768, 512) | (512, 768)))));
    let Some(clic) = look("eval/clic2025") else { return };
    assert_eq!((clic.shape, clic.entries.len(), clic.skipped()), (Shape::Clic, 6, 0));
}

#[test]
fn photos_are_not_near_each_other_by_chance() {
    let (Some(photos), Some(kodak)) = (look("train/imagenet_samples"), look("eval/kodak")) else { return };
    assert_eq!((photos.shape, photos.skipped()), (Shape::ImageNet, 0));
    let mut exclusions = Exclusions::default();
    let all = SplitRatios { train: 0, validation: 0, test: 1 };
    exclusions.add(&kodak.manifest("", "", all, NEAR_BITS, &Exclusions::default()).expect("manifest"), "kodak");
    let manifest = photos.manifest("", "", SplitRatios::default(), NEAR_BITS, &exclusions).expect("manifest");
    assert_eq!(manifest.count(Split::Excluded), 0);
}

#[test]
fn librispeech() {
    let Some(speech) = look("eval/librispeech_test_other") else { return };
    let sums = totals(&speech.entries);
    assert_eq!((speech.shape, sums.items, sums.speakers, speech.skipped()), (Shape::LibriSpeech, 100, Some(10), 0));
    assert!(speech.entries.iter().all(|e| e.text.is_some() && e.sample_rate == Some(16000)));
}
