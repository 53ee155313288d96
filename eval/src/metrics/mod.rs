//! Measures of quality, each equal to a reference implementation to a stated tolerance (`docs/METRICS.md`).
//!
//! | module | in → out | reference |
//! |---|---|---|
//! | [`psnr`] | two 8-bit images → MSE, PSNR of RGB and of luma, dB | scikit-image, torchmetrics |
//! | [`ms_ssim`] | two 8-bit images → MS-SSIM, linear and dB | pytorch-msssim |
//! | [`ssimulacra2`] | two 8-bit RGB images → SSIMULACRA2 score | the C++ tool |
//! | [`frechet`] | two sets of feature vectors → Fréchet distance | scipy |
#![cfg_attr(
    feature = "fid",
    doc = "| [`inception`] | 8-bit RGB images → 2048 Inception-v3 features | pytorch-fid, torch-fidelity |"
)]
//! | [`si_sdr`] | two signals → SI-SDR, dB | torchmetrics |
//! | [`log_spectral_distance`] | two signals → LSD, dB | torch.stft |
//! | [`word_error_rate`] | transcripts → WER | jiwer |
//! | [`external`] | files and a command → a number or a transcript (ViSQOL, Whisper) | – |

pub mod external;
pub mod frechet;
#[cfg(feature = "fid")]
pub mod inception;
pub mod log_spectral_distance;
pub mod ms_ssim;
pub mod psnr;
pub mod si_sdr;
pub mod ssimulacra2;
pub mod word_error_rate;
