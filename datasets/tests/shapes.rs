//! Surveys of folders of every shape, and of damaged files in them.

mod folders;

use std::fs;
use std::path::Path;

use folders::*;
use lmcodec_datasets::anomaly::AnomalyKind;
use lmcodec_datasets::manifest::ManifestEntry;
use lmcodec_datasets::shape::Shape;
use lmcodec_datasets::survey::{Survey, SurveyOptions, survey, totals};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("temporary folder")
}

fn look(folder: &Path) -> Survey {
    survey(folder, &SurveyOptions::default(), &|_, _| ()).expect("surveyed")
}

fn entry<'a>(survey: &'a Survey, path: &str) -> &'a ManifestEntry {
    survey.entries.iter().find(|e| e.path == path).unwrap_or_else(|| panic!("{path} is missing"))
}

#[test]
fn imagenet_in_folders_and_flat() {
    let dir = folder();
    imagenet(dir.path());
    let found = look(dir.path());
    assert_eq!((found.shape, found.entries.len(), found.anomalies.len()), (Shape::ImageNet, 20, 0));
    let one = entry(&found, "train/n01440762/n01440762_3.JPEG");
    assert_eq!(
        (one.part.as_deref(), one.class.as_deref(), one.size),
        (Some("train"), Some("n01440762"), Some((111, 80)))
    );
    assert_eq!(totals(&found.entries).classes, Some(4));
    let flat = folder();
    save_picture(flat.path(), "n04335435_streetcar.JPEG", &picture(40, 40, 1));
    let found = look(flat.path());
    assert_eq!((found.shape, found.entries[0].class.as_deref()), (Shape::ImageNet, Some("n04335435")));
}

#[test]
fn kodak_clic_div2k_and_plain() {
    let dir = folder();
    for (i, name) in ["kodim01.png", "kodim02.png"].iter().enumerate() {
        save_picture(dir.path(), name, &picture(48, 32, i as u32));
    }
    assert_eq!(look(dir.path()).shape, Shape::Kodak);

    let dir = folder();
    save_picture(dir.path(), "valid/9466a908d088d32ee73f04116c40e48c.png", &picture(30, 30, 1));
    let found = look(dir.path());
    assert_eq!((found.shape, found.entries[0].part.as_deref()), (Shape::Clic, Some("valid")));

    let dir = folder();
    save_picture(dir.path(), "DIV2K_train_HR/0001.png", &picture(64, 64, 1));
    save_picture(dir.path(), "DIV2K_valid_HR/0801.png", &picture(64, 64, 2));
    save_picture(dir.path(), "DIV2K_train_LR_bicubic/X2/0001x2.png", &picture(32, 32, 1));
    let options = SurveyOptions { shape: Some(Shape::Div2k), parts: vec!["valid".into()] };
    let found = survey(dir.path(), &options, &|_, _| ()).expect("surveyed");
    assert_eq!(found.entries.iter().map(|e| e.path.as_str()).collect::<Vec<_>>(), ["DIV2K_valid_HR/0801.png"]);
    assert_eq!(found.other_files, 1, "low resolution is left out");
    let options = SurveyOptions { shape: Some(Shape::Div2k), parts: vec!["test".into()] };
    let message = survey(dir.path(), &options, &|_, _| ()).expect_err("no such part").to_string();
    assert!(message.contains("train, valid"), "{message}");

    let dir = folder();
    save_picture(dir.path(), "holiday.png", &picture(20, 20, 1));
    assert_eq!(look(dir.path()).shape, Shape::Images);
}

#[test]
fn librispeech_with_transcripts() {
    let dir = folder();
    librispeech(dir.path());
    let found = look(dir.path());
    assert_eq!((found.shape, found.entries.len(), found.anomalies.len()), (Shape::LibriSpeech, 12, 0));
    let one = entry(&found, "dev-clean/174/1/174-1-0002.wav");
    assert_eq!((one.speaker.as_deref(), one.chapter.as_deref()), (Some("174"), Some("1")));
    assert_eq!((one.part.as_deref(), one.text.as_deref()), (Some("dev-clean"), Some("WORDS OF 174 2")));
    assert_eq!(one.seconds, Some(1800.0 / 16000.0));
    assert_eq!(totals(&found.entries).speakers, Some(4));
}

#[test]
fn libritts_and_ljspeech() {
    let dir = folder();
    save_wav(dir.path(), "train-clean-100/84/121/84_121_000007_000001.wav", 24000, 2400, 1);
    write(dir.path(), "train-clean-100/84/121/84_121_000007_000001.normalized.txt", "Twenty words.\n");
    write(dir.path(), "train-clean-100/84/121/84_121_000007_000001.original.txt", "20 words.\n");
    let found = look(dir.path());
    assert_eq!((found.shape, found.entries[0].text.as_deref()), (Shape::LibriSpeech, Some("Twenty words.")));
    assert_eq!(found.entries[0].sample_rate, Some(24000));
    assert!(found.anomalies.is_empty(), "{:?}", found.anomalies);

    let dir = folder();
    save_wav(dir.path(), "wavs/LJ001-0001.wav", 22050, 2205, 1);
    save_wav(dir.path(), "wavs/LJ001-0002.wav", 22050, 2205, 2);
    write(dir.path(), "metadata.csv", "LJ001-0001|No. 1|Number one\nLJ001-0002|Two|\nLJ001-0003|Three|Three\n");
    let found = look(dir.path());
    assert_eq!((found.shape, found.entries.len()), (Shape::LjSpeech, 2));
    assert_eq!(found.entries[0].text.as_deref(), Some("Number one"));
    assert_eq!(found.entries[1].speaker.as_deref(), Some("LJ"));
    assert_eq!(found.anomalies.len(), 1, "{:?}", found.anomalies);
    assert!(found.anomalies[0].message.contains("1 transcripts have no recording, such as LJ001-0003"));
}

#[test]
fn codes_with_and_without_a_table() {
    let dir = folder();
    let data: Vec<u8> = (0..60).map(|i| i % 16).collect();
    save_npy_u8(dir.path(), "lyra.npy", &[20, 3], &data);
    write(dir.path(), "lyra.tsv", "84-1-0000\t0\t12\n174-1-0000\t12\t8\n");
    save_npy_u8(dir.path(), "grid.npy", &[5, 3, 4], &data);
    let found = look(dir.path());
    assert_eq!((found.shape, found.entries.len()), (Shape::Codes, 7));
    let rows: Vec<_> = found.entries.iter().filter(|e| e.path == "lyra.npy").collect();
    assert_eq!(rows[1].dimensions.as_deref(), Some(&[8, 3][..]));
    assert_eq!(rows[1].speaker.as_deref(), Some("174"));
    assert_eq!(totals(&found.entries).codes, Some(120));
}

#[test]
fn damaged_files_are_listed_and_left_out() {
    let dir = folder();
    imagenet(dir.path());
    let train = dir.path().join("train/n01440760");
    let whole = fs::read(train.join("n01440760_0.JPEG")).expect("read");
    fs::write(train.join("n01440760_90.JPEG"), &whole[..whole.len() / 2]).expect("written");
    fs::write(train.join("n01440760_91.JPEG"), b"").expect("written");
    fs::write(train.join("n01440760_92.JPEG"), b"no picture").expect("written");
    fs::write(train.join("n01440760_93.JPEG"), &whole).expect("written");
    let found = look(dir.path());
    assert_eq!(found.entries.len(), 20);
    let kinds: Vec<_> = found.anomalies.iter().map(|a| (a.kind, a.skipped)).collect();
    use AnomalyKind::{Copy, Empty, Truncated, Undecodable};
    assert_eq!(kinds, [(Truncated, true), (Empty, true), (Undecodable, true), (Copy, true)]);

    let dir = folder();
    librispeech(dir.path());
    save_wav(dir.path(), "dev-clean/84/1/84-1-0003.wav", 16000, 0, 1);
    save_wav(dir.path(), "dev-clean/84/1/84-1-0004.wav", 8000, 800, 1);
    save_wav(dir.path(), "dev-clean/84/1/85-1-0005.wav", 16000, 800, 9);
    let whole = fs::read(dir.path().join("dev-clean/84/1/84-1-0000.wav")).expect("read");
    fs::write(dir.path().join("dev-clean/84/1/84-1-0006.wav"), &whole[..whole.len() - 7]).expect("written");
    let found = look(dir.path());
    assert_eq!((found.entries.len(), found.skipped()), (14, 2));
    let all: Vec<_> = found.anomalies.iter().map(|a| format!("{} {}", a.path, a.message)).collect();
    let all = all.join("\n");
    for part in [
        "84-1-0003.wav the recording has no samples",
        "84-1-0006.wav",
        "named as speaker 85, but lies in the folder of speaker 84",
        "mixed sample rates: 8000 Hz (1), 16000 Hz (13)",
        "4 of 16 utterances have no transcript",
    ] {
        assert!(all.contains(part), "{part}\n{all}");
    }
}

#[test]
fn folders_that_are_no_data_set() {
    let dir = folder();
    let fault = |dir: &Path| survey(dir, &SurveyOptions::default(), &|_, _| ()).expect_err("no data set").to_string();
    assert!(fault(dir.path()).contains("none of the known shapes"));
    write(dir.path(), "notes.txt", "text");
    assert!(fault(dir.path()).contains("1 files"));
    assert!(fault(&dir.path().join("missing")).contains("missing"));
    let options = SurveyOptions { shape: Some(Shape::Kodak), parts: Vec::new() };
    assert!(survey(dir.path(), &options, &|_, _| ()).is_err());
}
