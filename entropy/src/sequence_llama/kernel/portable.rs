//! The specification, compiled for the target's baseline.

pub(super) use super::specification::{complements, linear};

use super::super::cache::{KeysValues, Slot};
use super::operands::{AttendScratch, Norm, Query};
use super::recompile::{attend_heads, recompile};
use super::specification::{self, Plain};

recompile!();
attend_heads!(Plain,);
