//! What the repository's documents print is what its records say.

use lmcodec_eval::paper::results::Results;
use lmcodec_eval::published::records::Records;
use lmcodec_eval::published::{PublishedError, documents, markers, parts};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn documents_say_what_the_records_say() {
    let documents = documents(&root()).unwrap();
    let marked = documents.iter().filter(|d| d.found.contains("<!-- end -->")).count();
    assert!(marked >= 5, "{marked} documents with marked parts");
    let stale: Vec<String> =
        documents.iter().filter_map(|d| Some(format!("{}, line {}", d.name, d.first_difference()?))).collect();
    assert!(stale.is_empty(), "differ from results/*.json, `lmcodec eval documents` makes them anew: {stale:?}");
}

/// Documents whose numbers are definitions.
const SPECIFICATIONS: [&str; 2] = ["docs/MODEL.md", "docs/FORMAT.md"];

/// A table with numbers is either made from a record or says why not (`<!-- by hand: … -->`).
#[test]
fn no_table_of_numbers_is_without_a_record() {
    let unmarked: Vec<String> = documents(&root())
        .unwrap()
        .iter()
        .filter(|d| !SPECIFICATIONS.contains(&d.name.as_str()))
        .flat_map(|d| markers::unmarked_numbers(&d.found).into_iter().map(|line| format!("{}:{line}", d.name)))
        .collect();
    assert!(unmarked.is_empty(), "numbers outside of marked tables: {unmarked:#?}");
}

#[test]
fn every_record_has_a_known_shape() {
    let mut results = Results::default();
    let skipped = results.read_folder(&root().join("results")).unwrap();
    assert!(skipped.is_empty(), "no shape of this crate: {skipped:?}");
    assert!(results.tables.iter().any(|table| table.set("a75").is_some()));
}

#[test]
fn a_changed_number_is_noticed() {
    let records = Records::new(&root().join("results"));
    let text = "x <!-- value: kodak-files --><!-- end -->\n";
    let made = markers::rewrite("d", text, |part| parts::make(part, &records)).unwrap();
    assert_ne!(made, text);
    assert_eq!(markers::rewrite("d", &made, |part| parts::make(part, &records)).unwrap(), made);
    assert!(matches!(parts::make("no-such-part", &records), Err(PublishedError::Missing { .. })));
    let nowhere = Records::new(Path::new("no such folder"));
    assert!(matches!(parts::make("kodak", &nowhere), Err(PublishedError::Read { .. })));
}

#[test]
fn folders_without_documents_are_an_error() {
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(documents(empty.path()), Err(PublishedError::Read { .. })));
}
