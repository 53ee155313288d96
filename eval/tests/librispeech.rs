//! Real speech through the anchors, below `shared/data`.

use lmcodec_eval::metrics::log_spectral_distance::LsdSettings;
use lmcodec_eval::speech::Listeners;
use lmcodec_eval::speech::codecs::anchors;
use lmcodec_eval::speech::evaluation::{Utterance, evaluate_speech};
use lmcodec_needs::{Need, shared, test};

const FOLDER: &str = "eval/librispeech_test_other";

fn main() -> std::process::ExitCode {
    lmcodec_needs::run([test("speech_takes_less_than_its_samples", &[Need::Shared(FOLDER)], || {
        speech_takes_less_than_its_samples(3);
    })])
}

/// The first FLAC files of a folder of folders, by path.
fn speech_takes_less_than_its_samples(most: usize) {
    let mut files = Vec::new();
    let mut folders = vec![shared(FOLDER)];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "flac" => files.push(path),
                _ => {}
            }
        }
    }
    files.sort();
    files.truncate(most);
    assert_eq!(files.len(), most);
    let utterances: Vec<_> = files.into_iter().map(|path| Utterance { path, text: None }).collect();
    let (codecs, _missing) = anchors();
    let mut nobody = Listeners::default();
    let result = evaluate_speech(&utterances, &codecs, &LsdSettings::default(), &mut nobody, &mut |_| ()).unwrap();
    assert_eq!((result.utterances, result.codecs.len()), (most, codecs.len()));
    // 16 bits of 16 kHz.
    assert!(result.codecs.iter().all(|c| c.kbps < 256.0));
}
