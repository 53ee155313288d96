//! Images made in code, and checks that several test files share.
#![allow(dead_code)]

use lmcodec_codecs::jpeg::{JpegImage, Limits, SideInformation, write};

/// A generator of reproducible numbers.
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.next() % bound
    }
}

/// Gradients, edges, flat areas and some noise: blocks of every kind.
pub fn photo_like(width: u32, height: u32, channels: u32, seed: u32) -> Vec<u8> {
    let mut numbers = Numbers::new(u64::from(seed) + 1);
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..channels {
                let gradient = (x * (3 + channel) + y * (5 - channel)) / 2 % 256;
                let edge = if (x / 19 + y / 23 + seed).is_multiple_of(2) { 60 } else { 0 };
                let flat = (x / 40 + y / 40) % 3 == 0;
                let noise = numbers.below(if (x / 32 + y / 16) % 4 == 0 { 80 } else { 6 });
                let value = if flat { 128 } else { gradient / 2 + edge + noise };
                pixels.push(value.min(255) as u8);
            }
        }
    }
    pixels
}

/// The size of the side information, after a check that image and file come back from it.
pub fn side_bytes(image: &JpegImage) -> usize {
    let limits = Limits::default();
    let bytes = image.side.to_bytes();
    let side = SideInformation::from_bytes(&bytes, &limits).unwrap();
    assert!(side == image.side, "side information differs");
    let mut rebuilt = side.skeleton(&limits).unwrap();
    for (to, from) in rebuilt.components.iter_mut().zip(&image.components) {
        assert_eq!(to.quantization, from.quantization);
        assert_eq!(to.coefficients.len(), from.coefficients.len());
        to.coefficients.clone_from(&from.coefficients);
    }
    assert!(rebuilt == *image, "the rebuilt image differs");
    assert_eq!(write(&rebuilt), write(image));
    bytes.len()
}
