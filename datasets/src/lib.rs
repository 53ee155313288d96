//! Folders of media → latents for training and evaluation.
//!
//! The way of the data: [`shape`] recognises the layout of a folder, [`listing`] names its items, [`survey`] opens each
//! ([`picture`], [`audio`], [`codes`]) and hashes it ([`digest`], [`difference_hash`]), [`splits`] and [`assignment`] say what may be trained on,
//! [`manifest`] writes it down and [`verify`] checks it; [`plan`] draws the rows, [`rows`] makes them, [`prepare`](mod@prepare)
//! writes them into [`shards`], the form in which trainers read them.
//!
//! Beside that road, for training without shards: [`photos`] loads a folder of photos into memory, and [`crops`] draws random
//! crops as quantized DCT coefficients, as cameras and web sites would have made them.
#![forbid(unsafe_code)]

pub mod anomaly;
pub mod assignment;
pub mod audio;
pub mod codes;
pub mod crops;
pub mod difference_hash;
pub mod digest;
pub mod error;
pub mod listing;
pub mod manifest;
pub mod photos;
pub mod picture;
pub mod plan;
pub mod prepare;
pub mod rows;
pub mod shape;
pub mod shards;
pub mod splits;
pub mod survey;
pub mod verify;

pub use error::DatasetError;
