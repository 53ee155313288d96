//! Evaluation of speech codecs: kbps from real bytes, SI-SDR and log-spectral distance per utterance and on average; ViSQOL and
//! word error rate where programs for them are given.
//!
//! | module | in → out |
//! |---|---|
//! | [`waveform`] | WAV or FLAC file ⇄ 16-bit mono samples |
//! | [`codecs`] | samples → coded bytes → samples: FLAC, Opus |
//! | [`listening`] | source, decoded samples and external programs → MOS-LQO, word errors |
//! | [`evaluation`] | utterances and codecs → plain results |
//! | [`document`] | results → a report |

pub mod codecs;
pub mod document;
pub mod evaluation;
pub mod listening;
pub mod waveform;

pub use evaluation::{SpeechEvaluation, evaluate_speech};
pub use listening::Listeners;
