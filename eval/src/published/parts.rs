//! The parts by name.

use super::records::Records;
use super::{PublishedError, codes, kodak, quality, speed};

/// Makes the part `name`.
///
/// # Errors
/// [`PublishedError::Missing`] for a name that is not known, and where a record lacks what the part needs; the errors of reading.
pub fn make(name: &str, records: &Records) -> Result<String, PublishedError> {
    match name {
        "kodak" => kodak::short(name, records),
        "kodak-all" => kodak::all(name, records),
        "kodak-six" => kodak::six(name, records),
        "kodak-learned" => kodak::learned(name, records),
        "kodak-files" => kodak::files(name, records),
        "kodak-smaller" => kodak::smaller(name, records),
        "kodak-versions" => kodak::versions(name, records, kodak::KODAK),
        "kodak-speed-avx512" => kodak::speeds(name, records, speed::AVX512),
        "speed" => speed::short(name, records),
        "speed-kernels" => speed::kernels(name, records),
        "speed-environment" => speed::environment(name, records),
        "codes" => codes::whole(name, records),
        "codes-heads" => codes::heads(name, records),
        "sequence-kodak" => codes::sequence(name, records),
        "sequence-chunks" => codes::chunks(name, records),
        "paper" => codes::paper(name, records),
        "bd-ljpg" => quality::ljpg(name, records),
        "bd-others" => quality::others(name, records),
        "speech" => quality::speech(name, records),
        _ => Err(PublishedError::Missing { part: name.into(), file: "the list of parts".into(), what: name.into() }),
    }
}
