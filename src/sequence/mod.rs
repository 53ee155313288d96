//! Coding latents with a sequence Llama: chunks in groups ([`groups`]), JPEG coefficients ([`jpeg`]), codes ([`codes`]).

pub(crate) mod codes;
pub(crate) mod groups;
pub(crate) mod jpeg;
