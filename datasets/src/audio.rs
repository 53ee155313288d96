//! One WAV or FLAC file → samples, or a reason why not; and another sample rate for them.

use std::io::Cursor;

use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use crate::anomaly::{AnomalyKind, Fault};

/// Longer recordings are refused before they are decoded: 2^28 samples of all channels, 1 GiB.
pub const MAX_SAMPLES: u64 = 1 << 28;

/// Decoded audio.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// Samples per second and channel, in Hz.
    pub sample_rate: u32,
    /// Channels, 1 and up.
    pub channels: u32,
    /// Bits of an integer sample as it is stored; none for floats.
    pub bits: Option<u32>,
    /// Interleaved samples; integers of up to 24 bits are exact, full scale is −1 to 1.
    pub samples: Vec<f32>,
}

/// Decodes a WAV (integer up to 32 bits, float) or FLAC file.
///
/// # Errors
/// A [`Fault`] that says what is wrong with the file: no samples, fewer samples than its header states, unknown format, …
pub fn decode(bytes: Vec<u8>) -> Result<Audio, Fault> {
    let audio = match bytes.get(..4) {
        Some(b"RIFF" | b"RF64") => wav(&bytes)?,
        Some(b"fLaC") | Some([b'I', b'D', b'3', _]) => flac(bytes)?,
        _ if bytes.is_empty() => return Err(Fault::new(AnomalyKind::Empty, "the file has no bytes")),
        _ => return Err(Fault::new(AnomalyKind::Undecodable, "neither a WAV nor a FLAC file (by its first bytes)")),
    };
    if audio.samples.is_empty() {
        return Err(Fault::new(AnomalyKind::Empty, "the recording has no samples"));
    }
    if audio.sample_rate == 0 || audio.samples.iter().any(|s| !s.is_finite()) {
        return Err(Fault::new(AnomalyKind::Undecodable, "a sample rate of 0, or samples that are no finite numbers"));
    }
    Ok(audio)
}

fn too_long(samples: u64) -> Result<(), Fault> {
    let message = || format!("{samples} samples; at most {MAX_SAMPLES} are allowed");
    if samples > MAX_SAMPLES { Err(Fault::new(AnomalyKind::Size, message())) } else { Ok(()) }
}

fn wav(bytes: &[u8]) -> Result<Audio, Fault> {
    let fault = |e: hound::Error| {
        let short = matches!(&e, hound::Error::IoError(_))
            || matches!(&e, hound::Error::FormatError(m) if m.contains("enough"));
        Fault::new(if short { AnomalyKind::Truncated } else { AnomalyKind::Undecodable }, e.to_string())
    };
    let mut reader = hound::WavReader::new(Cursor::new(bytes)).map_err(fault)?;
    let spec = reader.spec();
    let stated = u64::from(reader.len());
    too_long(stated)?;
    // A sample takes a byte at least, so what the header states beyond the file cannot be there.
    if stated > bytes.len() as u64 {
        return Err(Fault::new(
            AnomalyKind::Truncated,
            format!("{stated} samples stated, {} bytes there", bytes.len()),
        ));
    }
    let (bits, samples): (_, Result<Vec<f32>, _>) = match spec.sample_format {
        hound::SampleFormat::Float => (None, reader.samples::<f32>().collect()),
        hound::SampleFormat::Int => {
            let full = 2f64.powi(i32::from(spec.bits_per_sample) - 1);
            let samples = reader.samples::<i32>().map(|s| s.map(|s| (f64::from(s) / full) as f32)).collect();
            (Some(u32::from(spec.bits_per_sample)), samples)
        }
    };
    let (sample_rate, channels) = (spec.sample_rate, u32::from(spec.channels));
    Ok(Audio { sample_rate, channels, bits, samples: samples.map_err(fault)? })
}

fn flac(bytes: Vec<u8>) -> Result<Audio, Fault> {
    let fault = |e: Error| {
        let short = matches!(&e, Error::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof);
        Fault::new(if short { AnomalyKind::Truncated } else { AnomalyKind::Undecodable }, e.to_string())
    };
    let missing = |what: &str| Fault::new(AnomalyKind::Undecodable, format!("the FLAC file has no {what}"));
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut hint = Hint::new();
    hint.with_extension("flac");
    let mut format = symphonia::default::get_probe()
        .probe(&hint, source, FormatOptions::default(), MetadataOptions::default())
        .map_err(fault)?;
    let track = format.default_track(TrackType::Audio).ok_or_else(|| missing("audio"))?;
    let (id, frames) = (track.id, track.num_frames);
    let parameters =
        track.codec_params.as_ref().and_then(|p| p.audio()).ok_or_else(|| missing("stream information"))?;
    let sample_rate = parameters.sample_rate.ok_or_else(|| missing("sample rate"))?;
    let bits = parameters.bits_per_sample;
    let channels = parameters.channels.as_ref().map_or(0, |c| c.count()) as u32;
    if channels == 0 {
        return Err(missing("channels"));
    }
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default().verify(true))
        .map_err(fault)?;
    too_long(frames.unwrap_or(0).saturating_mul(u64::from(channels)))?;
    let (mut samples, mut piece) = (Vec::<f32>::new(), Vec::<f32>::new());
    while let Some(packet) = format.next_packet().map_err(fault)? {
        if packet.track_id != id {
            continue;
        }
        decoder.decode(&packet).map_err(fault)?.copy_to_vec_interleaved(&mut piece);
        samples.extend_from_slice(&piece);
        too_long(samples.len() as u64)?;
    }
    let decoded = samples.len() as u64 / u64::from(channels);
    if let Some(frames) = frames.filter(|&f| f != decoded) {
        let message = format!("{decoded} of the {frames} samples that the header states");
        return Err(Fault::new(AnomalyKind::Truncated, message));
    }
    if decoder.finalize().verify_ok == Some(false) {
        return Err(Fault::new(
            AnomalyKind::Undecodable,
            "the decoded samples do not have the MD5 that the header states",
        ));
    }
    Ok(Audio { sample_rate, channels, bits, samples })
}

impl Audio {
    /// Duration in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.channels) / f64::from(self.sample_rate)
    }

    /// One channel (the mean of all) at another sample rate: a windowed sinc of 256 taps (rubato). At its own rate, one channel
    /// stays exactly as it is.
    ///
    /// # Errors
    /// A [`Fault`] if the rates cannot be converted into each other.
    pub fn mono(&self, sample_rate: u32) -> Result<Vec<f32>, Fault> {
        let n = self.channels as usize;
        let mono: Vec<f32> = if n == 1 {
            self.samples.clone()
        } else {
            self.samples.chunks_exact(n).map(|c| c.iter().sum::<f32>() / n as f32).collect()
        };
        if self.sample_rate == sample_rate {
            return Ok(mono);
        }
        let fault = |e: String| {
            let message = format!("{} Hz cannot be resampled to {sample_rate} Hz: {e}", self.sample_rate);
            Fault::new(AnomalyKind::SampleRate, message)
        };
        let ratio = f64::from(sample_rate) / f64::from(self.sample_rate);
        let parameters = SincInterpolationParameters::default();
        let mut resampler = Async::<f32>::new_sinc(ratio, 1.1, &parameters, 1024, 1, FixedAsync::Input)
            .map_err(|e| fault(e.to_string()))?;
        let length = mono.len();
        let input = InterleavedOwned::new_from(mono, 1, length).map_err(|e| fault(e.to_string()))?;
        let output = resampler.process_all(&input, length, None).map_err(|e| fault(e.to_string()))?;
        Ok(output.take_data())
    }
}

/// Rounds samples to 16 bits; 16-bit files come back exactly.
#[must_use]
pub fn to_i16(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|s| (s * 32768.0).round().clamp(-32768.0, 32767.0) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn wav_file(rate: u32, channels: u16, samples: &[i16]) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("header");
        samples.iter().for_each(|&s| writer.write_sample(s).expect("sample"));
        writer.finalize().expect("written");
        bytes.into_inner()
    }

    fn sine(rate: u32, n: usize) -> Vec<i16> {
        (0..n)
            .map(|i| (8000.0 * (440.0 * 2.0 * std::f64::consts::PI * i as f64 / f64::from(rate)).sin()) as i16)
            .collect()
    }

    #[test]
    fn sixteen_bit_samples_come_back() {
        let samples: Vec<i16> = (-32768..32767).step_by(37).map(|s| s as i16).collect();
        let audio = decode(wav_file(16000, 1, &samples)).expect("decodes");
        assert_eq!((audio.sample_rate, audio.channels, audio.bits), (16000, 1, Some(16)));
        assert_eq!(to_i16(&audio.mono(16000).expect("mono")), samples);
    }

    #[test]
    fn resampling_keeps_a_tone() {
        for rate in [22050u32, 24000, 48000, 8000] {
            let audio = decode(wav_file(rate, 1, &sine(rate, rate as usize))).expect("decodes");
            let out = audio.mono(16000).expect("resampled");
            assert!(out.len().abs_diff(16000) <= 1, "{rate}: {}", out.len());
            // Delays are compensated to the nearest sample, so the phase is free: amplitude and residual are not.
            let angle = |i: usize| 440.0 * 2.0 * std::f64::consts::PI * i as f64 / 16000.0;
            let span = 2000..14000usize;
            let project = |f: fn(f64) -> f64| {
                2.0 / 12000.0 * span.clone().map(|i| f64::from(out[i]) * 32768.0 * f(angle(i))).sum::<f64>()
            };
            let (a, b) = (project(f64::sin), project(f64::cos));
            assert!((a.hypot(b) - 8000.0).abs() < 20.0, "{rate}: {a} {b}");
            let residual = |i: usize| (f64::from(out[i]) * 32768.0 - a * angle(i).sin() - b * angle(i).cos()).abs();
            assert!(span.clone().map(residual).fold(0.0, f64::max) < 5.0, "{rate}");
        }
    }

    #[test]
    fn channels_are_averaged() {
        let audio = decode(wav_file(16000, 2, &[100, 300, -50, 50])).expect("decodes");
        assert_eq!(to_i16(&audio.mono(16000).expect("mono")), [200, 0]);
        assert!((audio.seconds() - 2.0 / 16000.0).abs() < 1e-12);
    }

    #[test]
    fn empty_and_truncated_files() {
        let kind = |bytes: Vec<u8>| decode(bytes).map(|_| ()).map_err(|f| f.kind);
        assert_eq!(kind(Vec::new()), Err(AnomalyKind::Empty));
        assert_eq!(kind(wav_file(16000, 1, &[])), Err(AnomalyKind::Empty));
        assert_eq!(kind(b"text".to_vec()), Err(AnomalyKind::Undecodable));
        let whole = wav_file(16000, 1, &sine(16000, 500));
        assert_eq!(kind(whole[..whole.len() - 101].to_vec()), Err(AnomalyKind::Truncated));
        for end in 0..whole.len() {
            assert!(decode(whole[..end].to_vec()).is_err(), "{end}");
        }
    }
}
