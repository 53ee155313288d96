//! Folders of media → latents for training and evaluation.
//!
//! * [`photos`]: finds and decodes the photos of a folder and splits them by content, so that no photo is in two splits;
//! * [`manifest`]: what a model was trained on, file by file (SHA-256, split), for its model card;
//! * [`crops`]: random crops of photos as quantized DCT coefficients, as cameras and web sites would have made them.
#![deny(missing_docs)]

pub mod crops;
pub mod manifest;
pub mod photos;
