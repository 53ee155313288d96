//! The HTML page: well formed, self-contained, and safe against hostile names.

use lmcodec_eval::report::document::{Bars, Block, Cell, Column, Document, Figure, HeatMap, Section, Table};
use lmcodec_eval::report::html::{PageOptions, page};
use lmcodec_eval::report::plot::{Plot, Series};
use std::collections::BTreeSet;

const HOSTILE: &str = "<script>alert(\"1\")</script> & 'x'";

fn everything() -> Document {
    let table = |folded| Table {
        caption: HOSTILE.into(),
        columns: vec![Column::text(HOSTILE), Column::number("n")],
        rows: vec![
            vec![Cell::new(HOSTILE).hint(HOSTILE), Cell::signed(Some(1.0), 1).strong()],
            vec![
                Cell { picture: Some("data:image/jpeg;base64,AAAA".into()), ..Cell::new("p") },
                Cell::number(None, 1).caution(true),
            ],
        ],
        notes: vec![HOSTILE.into()],
        folded,
    };
    let series = |color| Series {
        name: HOSTILE.into(),
        points: vec![(0.1, 30.0, HOSTILE.into()), (1.5, 40.0, "b".into())],
        color,
        dashed: color % 2 == 1,
    };
    let plot = |log_x| Plot {
        caption: HOSTILE.into(),
        x_label: HOSTILE.into(),
        y_label: "y".into(),
        log_x,
        series: (0..14).map(series).collect(),
    };
    let blocks = vec![
        Block::Text(HOSTILE.into()),
        Block::Headline(vec![Figure { value: HOSTILE.into(), text: HOSTILE.into(), good: None }]),
        Block::Notes(vec![HOSTILE.into()]),
        Block::Table(table(false)),
        Block::Table(table(true)),
        Block::Plot(plot(true)),
        Block::Plot(plot(false)),
        Block::HeatMap(HeatMap { caption: HOSTILE.into(), values: Box::new([[0.25; 8]; 8]), unit: HOSTILE.into() }),
        Block::Bars(Bars {
            caption: HOSTILE.into(),
            parts: vec![(HOSTILE.into(), 3.0), ("z".into(), 0.0)],
            unit: "b".into(),
        }),
        Block::Commands(vec![(HOSTILE.into(), HOSTILE.into())]),
    ];
    let sections = vec![Section { heading: HOSTILE.into(), blocks }, Section::new("empty")];
    Document { title: HOSTILE.into(), lead: HOSTILE.into(), sections }
}

/// Elements without an end tag (HTML Standard, 13.1.2).
const VOID: [&str; 4] = ["meta", "input", "img", "br"];

/// Checks that tags nest and attributes are quoted; returns the values of all attributes called `wanted`.
fn attributes(html: &str, wanted: &str) -> Vec<String> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let mut rest = html.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>') || open.last() == Some(&"style"), "a bare > in text: {}", &rest[..start]);
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "end tag");
        } else {
            let (name, mut list) = tag.split_once(' ').unwrap_or((tag, ""));
            let mut keys = BTreeSet::new();
            while let Some((key, after)) = list.split_once("=\"") {
                let (value, next) = after.split_once('"').expect("a quoted value");
                assert!(!value.contains('<'), "{value}");
                assert!(keys.insert(key.split_whitespace().last()), "an attribute twice: {tag}");
                if key.split_whitespace().last() == Some(wanted) {
                    found.push(value.to_string());
                }
                list = next;
            }
            if !VOID.contains(&name) {
                open.push(name);
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    found
}

#[test]
fn page_is_well_formed_and_names_cannot_break_out() {
    let html = page(&everything(), &PageOptions::default());
    let ids = attributes(&html, "id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "ids are unique");
    let targets = attributes(&html, "for");
    assert!(!targets.is_empty() && targets.iter().all(|t| ids.contains(t)));
    for link in attributes(&html, "href") {
        assert!(ids.contains(&link[1..].to_string()), "{link}");
    }
    assert!(!html.contains("<script"), "escaped");
    assert!(html.contains("&lt;script&gt;alert(&quot;1&quot;)"));
    assert_eq!(attributes(&html, "src"), ["data:image/jpeg;base64,AAAA"; 2]);
    for outside in ["http:", "https:", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn the_logarithmic_axis_needs_no_script() {
    let html = page(&everything(), &PageOptions::default());
    assert_eq!(html.matches("class=\"pick-log\"").count(), 1);
    assert!(html.contains(".pick-log:checked ~ .log { display:block }"));
    // Two curves more than there are colours: the colours repeat, the curves stay apart.
    assert!(html.contains("class=\"s13 k1 dashed\""), "{html}");
}

/// On a phone every cell of a wide table says which column it is of.
#[test]
fn wide_tables_become_cards_on_a_phone() {
    let table = |columns: &[&str]| Table {
        columns: columns.iter().map(|heading| Column::number(*heading)).collect(),
        rows: vec![columns.iter().map(|_| Cell::new("1")).collect()],
        ..Table::default()
    };
    let render = |columns: &[&str]| {
        let section = Section::new("s").with(Block::Table(table(columns)));
        page(&Document { sections: vec![section], ..Document::default() }, &PageOptions::default())
    };
    let html = render(&["codec", "cubic %", HOSTILE, "overlap %"]);
    assert!(html.contains("<table class=\"cards\">"));
    let labels = attributes(&html, "data-label");
    assert_eq!((labels.len(), labels[0].as_str(), labels[2].as_str()), (3, "cubic %", "overlap %"));
    assert!(html.contains(".cards td::before { content:attr(data-label)"));
    assert!(!render(&["a", "b", "c"]).contains("class=\"cards\""), "narrow ones fit");
}

#[test]
fn a_headline_is_a_number_and_a_sentence() {
    let figure = |good| Figure { value: "−34.6 %".into(), text: HOSTILE.into(), good };
    let section = Section::new("s").with(Block::Headline(vec![figure(Some(true)), figure(Some(false)), figure(None)]));
    let html = page(&Document { sections: vec![section], ..Document::default() }, &PageOptions::default());
    attributes(&html, "class");
    for part in ["<div class=\"good\"><b>−34.6 %</b>", "<div class=\"bad\">", "<div class=\"even\">"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn both_themes_define_every_colour() {
    let html = page(&Document::default(), &PageOptions { language: "de".into() });
    assert!(html.contains("<html lang=\"de\">"));
    for color in 0..12 {
        assert_eq!(html.matches(&format!("--k{color}:")).count(), 2, "{color}");
    }
}
