//! Reports: what they hold, and how they are written down.
//!
//! A run builds a [`document::Document`]; [`markdown`], [`html`] and [`csv`] render it.
//!
//! | module | in → out |
//! |---|---|
//! | [`document`] | headings, text, tables, heat maps, bars as data |
//! | [`plot`] | curves as data, and as SVG |
//! | [`markdown`], [`html`], [`csv`] | a document → text in that form |
//! | [`environment`] | this machine → data, and a table of a document |

pub mod csv;
pub mod document;
pub mod environment;
pub mod html;
pub mod leaf_lines;
pub mod markdown;
pub mod plot;
