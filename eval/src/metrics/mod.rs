//! Measures of quality.
//!
//! | module | in → out |
//! |---|---|
//! | [`psnr`] | two 8-bit images → MSE, PSNR of RGB and of luma, dB |
//! | [`ms_ssim`] | two 8-bit images → MS-SSIM, linear and dB |

pub mod ms_ssim;
pub mod psnr;
