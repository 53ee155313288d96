//! Speech files through the anchors and back.

mod metrics_inputs;

use lmcodec_eval::metrics::external::{Answer, ExternalProgram};
use lmcodec_eval::metrics::log_spectral_distance::LsdSettings;
use lmcodec_eval::metrics::word_error_rate::WordErrors;
use lmcodec_eval::speech::Listeners;
use lmcodec_eval::speech::codecs::anchors;
use lmcodec_eval::speech::evaluation::{SpeechEvaluationError, Utterance, evaluate_speech};
use lmcodec_eval::speech::waveform::{Waveform, WaveformError};
use metrics_inputs::signal;

fn utterance(n: usize, seed: i64) -> Waveform {
    Waveform { sample_rate: 16_000, samples: signal(n, seed).into_iter().map(|s| s as i16).collect() }
}

/// Utterances without transcripts.
fn silent(files: &[std::path::PathBuf]) -> Vec<Utterance> {
    files.iter().map(|path| Utterance { path: path.clone(), text: None }).collect()
}

#[cfg(unix)]
#[test]
fn listeners_hear_the_source_once_and_every_lossy_codec() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    std::fs::write(&path, utterance(20_000, 1).to_wav().unwrap()).unwrap();
    let asked = folder.path().join("asked");
    let visqol = format!("sh -c 'echo x >> {}; echo MOS-LQO: 4.5 other 7 {{reference}} {{degraded}}'", asked.display());
    let service = r#"sh -c 'echo "{\"name\":\"R\",\"version\":\"2\"}"; while read -r l; do echo "{\"transcript\":\" A small, word\"}"; done'"#;
    let mut listeners = Listeners {
        visqol: Some(ExternalProgram::scorer(&visqol, Answer::After("MOS-LQO:".into())).unwrap()),
        recogniser: Some(ExternalProgram::transcriber(service).unwrap()),
    };
    let utterances = [Utterance { path, text: Some("the small word here".into()) }];
    let (codecs, _missing) = anchors();
    let result = evaluate_speech(&utterances, &codecs, &LsdSettings::default(), &mut listeners, &mut |_| ()).unwrap();
    let lossy = codecs.iter().filter(|c| !c.lossless()).count();
    assert_eq!(std::fs::read_to_string(&asked).unwrap().lines().count(), 1 + lossy);
    assert_eq!(result.listeners[1], ("recogniser".to_string(), "R: 2".to_string()));
    let errors = Some(WordErrors { errors: 2, reference_words: 4 });
    for heard in result.codecs.iter().map(|c| &c.listening).chain(&result.source) {
        assert_eq!(
            (heard.mean_visqol_mos_lqo, heard.word_errors, heard.word_error_rate),
            (Some(4.5), errors, Some(0.5))
        );
    }
    assert_eq!(result.codecs[0].per_utterance[0].heard.transcript.as_deref(), Some("A small, word"));

    // A program that measures nothing at all is an error that says why, not a table of dashes.
    let refuses = r#"sh -c 'echo "{\"name\":\"R\",\"version\":\"2\"}"; while read -r l; do echo "{\"error\":\"no model\"}"; done'"#;
    let mut deaf = Listeners { recogniser: Some(ExternalProgram::transcriber(refuses).unwrap()), visqol: None };
    let error = evaluate_speech(&utterances, &codecs, &LsdSettings::default(), &mut deaf, &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "no utterance has a word error rate: recogniser: no model");
    let without_text = [Utterance { text: None, ..utterances[0].clone() }];
    let error = evaluate_speech(&without_text, &codecs, &LsdSettings::default(), &mut deaf, &mut |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "no utterance has a word error rate: no transcripts");
}

#[test]
fn anchors_on_made_signals() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (i, w) in [utterance(20_000, 1), utterance(5001, 2), Waveform { sample_rate: 16_000, samples: vec![0; 1000] }]
        .iter()
        .enumerate()
    {
        files.push(folder.path().join(format!("{i}.wav")));
        std::fs::write(&files[i], w.to_wav().unwrap()).unwrap();
        assert_eq!(Waveform::read(&files[i]).unwrap(), *w);
    }
    let (codecs, _missing) = anchors();
    let mut done = 0;
    let mut nobody = Listeners::default();
    let result =
        evaluate_speech(&silent(&files), &codecs, &LsdSettings::default(), &mut nobody, &mut |n| done = n).unwrap();
    assert_eq!((&result.source, result.listeners.len()), (&None, 0));
    assert_eq!((result.utterances, done), (3, 3 * codecs.len()));
    for codec in &result.codecs {
        let u = &codec.per_utterance;
        let bytes: u64 = u.iter().map(|u| u.bytes).sum();
        assert!((codec.kbps - bytes as f64 * 8.0 / (26_001.0 / 16.0)).abs() < 1e-9);
        // The silent one is shorter than a frame, too.
        assert_eq!((u[2].si_sdr_db, u[2].lsd_db, u[2].notes.len()), (None, None, 2));
        if codec.lossless {
            assert_eq!((codec.mean_si_sdr_db, codec.mean_lsd_db), (None, Some(0.0)));
            assert!(codec.kbps < 256.0 && u[0].kbps > 30.0, "{} {}", codec.name, codec.kbps);
        } else {
            assert!(codec.mean_lsd_db.unwrap() > 0.5 && u[0].si_sdr_db.unwrap().is_finite());
        }
    }
    // More bits, less distortion.
    let opus: Vec<f64> =
        result.codecs.iter().filter(|c| c.name.starts_with("opus")).map(|c| c.mean_si_sdr_db.unwrap()).collect();
    if let [first, .., last] = opus[..] {
        assert!(last > first, "{opus:?}");
    }
    let json = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<lmcodec_eval::speech::SpeechEvaluation>(&json).unwrap(), result);
}

#[test]
fn bad_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wav");
    let run = || {
        let utterances = silent(std::slice::from_ref(&path));
        let mut nobody = Listeners::default();
        evaluate_speech(&utterances, &anchors().0, &LsdSettings::default(), &mut nobody, &mut |_| ()).unwrap_err()
    };
    assert!(matches!(run(), SpeechEvaluationError::Source { source: WaveformError::Io { .. }, .. }));
    std::fs::write(&path, b"RIFF, but no more").unwrap();
    assert!(matches!(run(), SpeechEvaluationError::Source { source: WaveformError::Malformed { .. }, .. }));
    std::fs::write(&path, b"fLaC, but no more").unwrap();
    assert!(matches!(
        run(),
        SpeechEvaluationError::Source { source: WaveformError::Malformed { format: "FLAC", .. }, .. }
    ));
    let spec =
        hound::WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    (0..8).for_each(|_| writer.write_sample(1i16).unwrap());
    writer.finalize().unwrap();
    assert!(matches!(
        run(),
        SpeechEvaluationError::Source { source: WaveformError::Unsupported { channels: 2, .. }, .. }
    ));
    std::fs::write(&path, utterance(0, 1).to_wav().unwrap()).unwrap();
    assert!(matches!(run(), SpeechEvaluationError::Source { source: WaveformError::Empty, .. }));
    let mut nobody = Listeners::default();
    let none = evaluate_speech(&[], &anchors().0, &LsdSettings::default(), &mut nobody, &mut |_| ()).unwrap_err();
    assert!(matches!(none, SpeechEvaluationError::NoUtterances));
}
