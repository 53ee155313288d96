//! Real data, below `shared/data`: what it is taken for, and that nothing in it is odd.

use lmcodec_datasets::assignment::{Exclusions, NEAR_BITS};
use lmcodec_datasets::shape::Shape;
use lmcodec_datasets::splits::{Split, SplitRatios};
use lmcodec_datasets::survey::{Survey, SurveyOptions, survey, totals};
use lmcodec_needs::{Need, shared, test};

const KODAK: Need = Need::Shared("eval/kodak");
const CLIC: Need = Need::Shared("eval/clic2025");
const PHOTOS: Need = Need::Shared("train/imagenet_samples");
const SPEECH: Need = Need::Shared("eval/librispeech_test_other");

fn main() -> std::process::ExitCode {
    lmcodec_needs::run([
        test("kodak_and_clic", &[KODAK, CLIC], kodak_and_clic),
        test("photos_are_not_near_by_chance", &[PHOTOS, KODAK], photos_are_not_near_by_chance),
        test("librispeech", &[SPEECH], librispeech),
    ])
}

fn look(folder: &str) -> Survey {
    survey(&shared(folder), &SurveyOptions::default(), &|_, _| ()).expect("surveyed")
}

fn kodak_and_clic() {
    let kodak = look("eval/kodak");
    assert_eq!((kodak.shape, kodak.entries.len(), kodak.skipped()), (Shape::Kodak, 24, 0));
    assert!(kodak.entries.iter().all(|e| matches!(e.size, Some((768, 512) | (512, 768)))));
    let clic = look("eval/clic2025");
    assert_eq!((clic.shape, clic.entries.len(), clic.skipped()), (Shape::Clic, 6, 0));
}

fn photos_are_not_near_by_chance() {
    let (photos, kodak) = (look("train/imagenet_samples"), look("eval/kodak"));
    assert_eq!((photos.shape, photos.skipped()), (Shape::ImageNet, 0));
    let mut exclusions = Exclusions::default();
    let all = SplitRatios { train: 0, validation: 0, test: 1 };
    exclusions.add(&kodak.manifest("", "", all, NEAR_BITS, &Exclusions::default()).expect("manifest"), "kodak");
    let manifest = photos.manifest("", "", SplitRatios::default(), NEAR_BITS, &exclusions).expect("manifest");
    assert_eq!(manifest.count(Split::Excluded), 0);
}

fn librispeech() {
    let speech = look("eval/librispeech_test_other");
    let sums = totals(&speech.entries);
    assert_eq!((speech.shape, sums.items, sums.speakers, speech.skipped()), (Shape::LibriSpeech, 100, Some(10), 0));
    assert!(speech.entries.iter().all(|e| e.text.is_some() && e.sample_rate == Some(16000)));
}
