//! `lmcodec eval` as a user runs it.
#![cfg(feature = "eval")]

use std::path::Path;
use std::process::{Command, Output};

use lmcodec_eval::recompress::peers::{CommandLine, ExternalCodec};
use lmcodec_eval::recompress::speed::{KIND, SpeedError, SpeedReport, measure_speed};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lmcodec");

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("eval").args(arguments).output().expect("runs")
}

/// Runs and expects an exit code; returns (stdout, stderr).
fn expect(arguments: &[&str], code: i32) -> (String, String) {
    let output = run(arguments);
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_string_lossy().into_owned()
}

/// SOI, SOF0 of 200×100, EOI: enough for a size.
const TINY: &[u8] = &[0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 100, 0, 200, 1, 1, 0x11, 0, 0xff, 0xd9];

#[test]
fn ppm_is_what_cjpeg_reads_and_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (png, ppm) = (path(&dir, "x.png"), path(&dir, "x.ppm"));
    image::RgbImage::from_raw(2, 1, vec![1, 2, 3, 250, 251, 252]).unwrap().save(&png).unwrap();
    assert!(run(&["ppm", &png, &ppm]).status.success());
    assert_eq!(std::fs::read(&ppm).unwrap(), b"P6\n2 1\n255\n\x01\x02\x03\xfa\xfb\xfc");
    let again = run(&["ppm", &png, &ppm]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("--force"));
    assert!(run(&["ppm", &png, &ppm, "--force"]).status.success());
    assert_eq!(run(&["ppm", &png, "-"]).stdout, std::fs::read(&ppm).unwrap());
}

#[test]
fn bd_rate_of_half_the_rate() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (path(&dir, "a.json"), path(&dir, "b.json"));
    std::fs::write(&a, r#"{"name":"A","results":{"bpp":[0.2,0.4,0.8,1.6],"psnr-rgb":[28,31,34,37]}}"#).unwrap();
    std::fs::write(&b, r#"{"name":"B","results":{"bpp":[0.1,0.2,0.4,0.8],"psnr-rgb":[28,31,34,37]}}"#).unwrap();
    for method in ["cubic", "pchip", "akima"] {
        let out = run(&["bd-rate", &a, &b, "--method", method, "--json"]);
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert!((json["bd_rate"]["value"].as_f64().unwrap() + 50.0).abs() < 1e-9, "{json}");
        assert!((json["bd_quality"]["value"].as_f64().unwrap() - 3.0).abs() < 1e-9, "{json}");
        assert_eq!(json["bd_rate"]["low_overlap"], false);
    }
    let text = String::from_utf8(run(&["bd-rate", &a, &b]).stdout).unwrap();
    assert!(text.contains("BD-rate    -50.0000 % (overlap 100.0 %)"), "{text}");
    assert!(!run(&["bd-rate", &a, &b, "--metric", "ms-ssim"]).status.success());
}

/// The shapes of CompressAI's learned codecs (other names) and of its video results (a bitrate, lists of words).
#[test]
fn curves_of_other_origin_are_compared_drawn_and_judged() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, results: &str| {
        let file = path(&dir, name);
        std::fs::write(&file, format!("{{\"name\":\"{name}\",\"results\":{results}}}")).unwrap();
        file
    };
    let own = file("own", r#"{"bpp":[0.2,0.4,0.8,1.6],"psnr-rgb":[28,31,34,37],"ms-ssim-rgb":[0.9,0.95,0.98,0.99]}"#);
    let learned = file("learned", r#"{"bpp":[0.1,0.2,0.4,0.8],"psnr":[28,31,34,37],"ms-ssim":[0.9,0.95,0.98,0.99]}"#);
    let half = file("half", r#"{"q":["m-1","m-2","m-3","m-4"],"bitrate":[50,100,200,400],"psnr-rgb":[28,31,34,37]}"#);
    let video = file("video", r#"{"qp":[47,37,27,17],"bitrate":[100,200,400,800],"psnr-rgb":[28,31,34,37]}"#);
    for metric in ["psnr", "psnr-rgb", "ms-ssim", "ms-ssim-rgb-db"] {
        for pair in [[&own, &learned], [&learned, &own]] {
            let (text, _) = expect(&["bd-rate", pair[0], pair[1], "--metric", metric, "--json"], 0);
            let value = serde_json::from_str::<serde_json::Value>(&text).unwrap()["bd_rate"]["value"].as_f64().unwrap();
            assert!((value - if pair[0] == &own { -50.0 } else { 100.0 }).abs() < 1e-6, "{metric}: {value}");
        }
    }
    assert!(
        expect(&["compare", &video, &half, "--metric", "psnr"], 0)
            .0
            .contains("half needs 50.0 % fewer bits than video")
    );
    for command in ["compare", "bd-rate"] {
        let (_, stderr) = expect(&[command, &own, &half], 4);
        assert!(stderr.contains("own has a rate called bpp, half one called bitrate"), "{stderr}");
    }
    // The verdict and the plot are on the page.
    let page = path(&dir, "page.html");
    let (text, _) = expect(&["compare", &own, &learned, "--html", &page, "--json"], 0);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&answer[0]["verdict"], &answer[0]["rate"]), (&"better".into(), &"bpp".into()));
    let html = std::fs::read_to_string(&page).unwrap();
    for part in
        ["<polyline", "class=\"good\"", "-50.0 %", "learned needs 50.0 % fewer bits than own at equal psnr-rgb."]
    {
        assert!(html.contains(part), "{part}");
    }
    // A cubic polynomial that runs wild is said.
    let kink = file("kink", r#"{"bpp":[0.2,0.3,0.9,1.0,2.4],"psnr-rgb":[28,30,31,36.5,37]}"#);
    let smooth = file("smooth", r#"{"bpp":[0.15,0.35,0.7,1.3,2.6],"psnr-rgb":[27.5,30.5,32.1,36,38.8]}"#);
    assert!(expect(&["bd-rate", &kink, &smooth, "--method", "cubic"], 0).0.contains("runs wild, use --method pchip"));
    assert!(!expect(&["bd-rate", &kink, &smooth], 0).0.contains("wild"));
    let (text, _) = expect(&["compare", &kink, &smooth], 0);
    assert!(text.contains("the cubic polynomial runs wild") && text.contains("| Cubic | +4.403 (!) |"), "{text}");
}

#[test]
fn recompress_merges_published_sizes_and_keeps_outputs() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.jpg"), TINY).unwrap();
    let (csv, json, md) = (path(&dir, "peers.csv"), path(&dir, "out.json"), path(&dir, "out.md"));
    std::fs::write(&csv, format!("set,image,codec,source_bytes,coded_bytes\ns,x,best,{},10\n", TINY.len())).unwrap();
    let set = format!("s={}", dir.path().display());
    let arguments =
        ["recompress", "--set", &set, "--no-lmcodec", "--peers-csv", &csv, "--json", &json, "--markdown", &md];
    let out = run(&arguments);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let table: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(table["sets"][0]["codecs"][0]["mean_bpp"], 8.0 * 10.0 / 20000.0);
    assert!(std::fs::read_to_string(&md).unwrap().contains("| best † | 0.004 (41.2) |"));
    assert!(!run(&arguments).status.success());
    assert!(!run(&["recompress", "--set", &set, "--no-lmcodec"]).status.success());
    assert!(!run(&["recompress", "--set", "nothing"]).status.success());
}

#[test]
fn speed_pairs_processes_of_this_command() {
    let line = |way| CommandLine::new(PROGRAM, &["eval", "codec", "store", way, "IN", "OUT"]);
    let codecs = [ExternalCodec::new("store", "", line("encode"), line("decode"), "coded")];
    let files = [("x".to_string(), TINY.to_vec())];
    let report = measure_speed("t", &codecs, &files, 3, &["none of this name".into(), "store".into()], &|| ()).unwrap();
    let store = &report.codecs[0];
    assert_eq!((report.title.as_str(), report.pixels, store.byte_exact), ("t", 20000, 1));
    assert_eq!(store.coded_bytes, TINY.len() as u64);
    assert_eq!(store.encode.ratios.len(), 1);
    assert!((store.encode.ratio("store").unwrap() - 1.0).abs() < 1e-12, "{store:?}");
    assert!(store.encode.peak_bytes.is_none_or(|peak| peak >= 500_000), "{store:?}");
    let again: SpeedReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!((again.kind.as_str(), again.files), (KIND, report.files));
    assert!(matches!(measure_speed("", &codecs, &files, 0, &[], &|| ()), Err(SpeedError::Nothing { runs: 0, .. })));
    assert!(matches!(measure_speed("", &[], &files, 1, &[], &|| ()), Err(SpeedError::NoCodec)));
    let text = [("t".to_string(), b"text".to_vec())];
    assert!(matches!(measure_speed("", &codecs, &text, 1, &[], &|| ()), Err(SpeedError::NoSize { .. })));
}

/// The words of LibriSpeech's lists, a recogniser that always says the same, and ViSQOL's way of printing.
#[cfg(unix)]
#[test]
fn speech_is_listened_to() {
    let dir = tempfile::tempdir().unwrap();
    let chapter = dir.path().join("84/121");
    std::fs::create_dir_all(&chapter).unwrap();
    for i in 0..3 {
        let samples: Vec<i16> =
            (0..8000).map(|n| ((n as f64 * (0.04 + 0.01 * i as f64)).sin() * 8000.0) as i16).collect();
        let wave = lmcodec_eval::speech::waveform::Waveform { sample_rate: 16000, samples };
        std::fs::write(chapter.join(format!("84-121-000{i}.wav")), wave.to_wav().unwrap()).unwrap();
    }
    let list = "84-121-0000 ONE TWO\n84-121-0001 ONE TWO THREE\n84-121-0002 FOUR\n";
    std::fs::write(chapter.join("84-121.trans.txt"), list).unwrap();
    let (set, out) = (format!("s={}", dir.path().display()), path(&dir, "out"));
    let visqol = "printf 'MOS-LQO: 4.25\\nVNSIM: 0.9 %s %s\\n' {reference} {degraded}";
    let recogniser = "sh -c 'echo One, two.' {degraded}";
    let arguments =
        ["speech", "--set", &set, "-o", &out, "--limit", "2", "--visqol", visqol, "--recogniser", recogniser];
    expect(&arguments, 0);
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(Path::new(&out).join("report.json")).unwrap()).unwrap();
    let result = &report["sets"][0][1];
    // The first and the second of three are taken; one word of five is missed.
    assert_eq!(result["source"]["word_errors"], serde_json::json!({"errors": 1, "reference_words": 5}));
    assert_eq!(result["codecs"][0]["mean_visqol_mos_lqo"], 4.25);
    assert_eq!(result["codecs"][0]["per_utterance"][0]["transcript"], "One, two.");
    assert_eq!(result["listeners"][1][1], "sh -c echo One, two. {degraded}");
    let page = std::fs::read_to_string(Path::new(&out).join("report.md")).unwrap();
    assert!(page.contains("| (source) | – | – | – | – | 4.25 | 20.00 | – | – |"), "{page}");
    let paper = path(&dir, "paper");
    expect(&["paper", "--results", &out, "-o", &paper], 0);
}

/// Two images of smooth colour with some texture.
fn images(folder: &Path) {
    for (name, step) in [("a", 3), ("b", 5)] {
        let image = image::RgbImage::from_fn(96, 64, |x, y| {
            let v = ((x * step + y * 2) % 256) as u8;
            image::Rgb([v, (x * y % 97) as u8 + v / 4, 255 - v])
        });
        image.save(folder.join(format!("{name}.png"))).unwrap();
    }
}

#[test]
fn image_report_is_whole_without_other_programs() {
    let dir = tempfile::tempdir().unwrap();
    images(dir.path());
    let (set, out) = (format!("tiny={}", dir.path().display()), path(&dir, "out"));
    let arguments = ["image", "--set", &set, "-o", &out, "--no-programs", "--qualities", "20,50,80,90", "--thumbnails"];
    expect(&arguments, 0);
    let file = |name: &str| std::fs::read_to_string(Path::new(&out).join(name)).unwrap();

    // CompressAI's shape, and the facts beside it.
    let curve: serde_json::Value = serde_json::from_str(&file("curves/tiny-lmcodec-420.json")).unwrap();
    let results = &curve["results"];
    for key in ["bpp", "psnr-rgb", "psnr-y", "encoding_time", "decoding_time"] {
        assert_eq!(results[key].as_array().map(Vec::len), Some(4), "{key}: {curve}");
    }
    let report: serde_json::Value = serde_json::from_str(&file("report.json")).unwrap();
    assert_eq!((&report["kind"], &report["format"]), (&"lmcodec-image-report".into(), &1.into()));
    let set = &report["sets"][0];
    assert_eq!(set["failures"].as_array().map(Vec::len), Some(0), "{}", set["failures"]);
    let find = |name: &str| set["curves"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap().clone();
    let (jpeg, own) = (find("jpeg-444"), find("lmcodec-444"));
    assert_eq!(jpeg["results"]["psnr-rgb"], own["results"]["psnr-rgb"], "recompression shares the distortion");
    assert_eq!(own["recompresses"], "jpeg-444");
    assert!(own["commands"]["encode"].as_str().unwrap().starts_with("lmcodec encode --effort default --no-verify"));

    // Where the bits go adds up to the files, but for containers and the ends of the coder.
    let costs = set["bit_costs"].as_array().unwrap();
    assert_eq!(costs.len(), 8);
    for entry in costs {
        let components = entry["cost"]["components"].as_array().unwrap();
        let sum: f64 = components
            .iter()
            .map(|c| {
                c["last"].as_f64().unwrap()
                    + c["positions"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum::<f64>()
            })
            .sum::<f64>()
            + entry["cost"]["side_information"].as_f64().unwrap();
        let rest = entry["file_bits"].as_f64().unwrap() - sum;
        assert!(rest > 0.0 && rest < 2.0 * 8.0 * 80.0, "{rest} bits of containers for two files");
    }

    // BD-rates by three methods, JPEG's optimised tables save bits.
    let bd = set["bd"].as_array().unwrap();
    for method in ["cubic", "pchip", "akima"] {
        let entry = bd.iter().find(|e| {
            e["anchor"] == "jpeg-420"
                && e["test"] == "jpeg-420-optimised"
                && e["method"] == method
                && e["metric"] == "psnr-rgb"
        });
        let entry = entry.unwrap();
        assert!(entry["bd_rate"]["value"].as_f64().unwrap() < 0.0 && entry["images"] == 2, "{entry}");
        assert_eq!(entry["bd_rate"]["overlap"], 1.0);
    }

    let html = file("report.html");
    for forbidden in ["<script", "http://", "https://", "NaN", "inf,", &*dir.path().to_string_lossy()] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), 2);
    assert!(file("report.md").contains("## tiny · BD-rate") && !file("report.md").contains("data:image"));
    let csv = file("report.csv");
    assert!(csv.starts_with("set,image,width,height,codec,recompresses,setting,bytes,bpp,"), "{csv}");
    assert_eq!(csv.lines().count(), 1 + 2 * 4 * 8);

    // Existing reports stay, and a report compares with itself.
    assert!(expect(&arguments, 3).1.contains("--force"));
    let json = format!("{out}/report.json");
    let (text, _) = expect(&["compare", &json, &json, "--set", "tiny", "--json"], 0);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer.as_array().map(Vec::len), Some(8));
    assert!(answer[0]["methods"][1]["bd_rate"]["value"].as_f64().unwrap().abs() < 1e-9, "{}", answer[0]);
    let curve = format!("{out}/curves/tiny-jpeg-420.json");
    let (text, _) = expect(&["compare", &curve, &json, "--test-curve", "lmcodec-420"], 0);
    assert!(text.contains("lmcodec-420 against jpeg-420"), "{text}");

    // A report renders again to the same files; two become one.
    let (again, both) = (path(&dir, "again"), path(&dir, "both"));
    expect(&["render", &json, "-o", &again], 0);
    assert_eq!(std::fs::read_to_string(Path::new(&again).join("report.html")).unwrap(), html);
    assert_eq!(std::fs::read_to_string(Path::new(&again).join("report.json")).unwrap(), file("report.json"));
    let renamed = path(&dir, "renamed.json");
    std::fs::write(&renamed, file("report.json").replace("\"name\": \"tiny\"", "\"name\": \"second\"")).unwrap();
    expect(&["render", &json, &renamed, "-o", &both, "--title", "Two"], 0);
    assert!(expect(&["render", &json, &json, "-o", &path(&dir, "none")], 2).1.contains("two sets are called tiny"));
    assert!(std::fs::read_to_string(Path::new(&both).join("report.md")).unwrap().contains("4 images in the 2 sets"));
    assert!(expect(&["render", &curve, "-o", &path(&dir, "none")], 4).1.contains("tiny-jpeg-420.json"));

    // The headline, the best first, a published curve in the plots and tables.
    let markdown = file("report.md");
    assert!(markdown.contains("## In short") && markdown.contains("whose files come back byte for byte"), "{markdown}");
    let learned = path(&dir, "learned.json");
    let best =
        r#"{"name":"learned","results":{"bpp":[0.1,0.3,0.7,2.0],"psnr":[20,21.5,22.5,24],"q":["a","b","c","d"]}}"#;
    std::fs::write(&learned, best).unwrap();
    let with = path(&dir, "with");
    expect(&["render", &json, "-o", &with, "--published", &format!("tiny={learned}")], 0);
    let with = |name: &str| std::fs::read_to_string(Path::new(&with).join(name)).unwrap();
    let markdown = with("report.md");
    let table = markdown.split("Against jpeg-420, by PSNR of RGB").nth(1).expect("a table of BD-rates");
    let rows: Vec<&str> = table.lines().skip(4).take_while(|line| line.starts_with('|')).collect();
    let value = |row: &&str| {
        let cell = row.split('|').nth(3)?.trim();
        (!cell.ends_with("(!)")).then(|| cell.trim_matches('*').parse::<f64>().ok())?
    };
    // Those of too small an overlap follow.
    let values: Vec<f64> = rows.iter().map_while(value).collect();
    assert!(
        values.len() >= 3 && values.is_sorted() && !rows[values.len()..].iter().any(|row| value(row).is_some()),
        "{table}"
    );
    assert!(table.contains("| learned | -") && markdown.contains("taken from files: learned."), "{markdown}");
    assert!(
        with("report.html").contains("(1)") && with("report.json").contains("not measured here: from learned.json")
    );
    let twice = [&format!("tiny={learned}"), "--published", &format!("tiny={learned}")].map(|s: &str| s.to_string());
    let none = path(&dir, "none");
    let again = ["render", &json, "-o", &none, "--published", &twice[0], &twice[1], &twice[2]];
    assert!(expect(&again, 4).1.contains("learned.json: the set has a curve called learned"));
    let nowhere = format!("other={learned}");
    let fresh = ["image", "--set", "tiny=.", "-o", &none, "--no-programs", "--published", &nowhere];
    assert!(expect(&fresh, 2).1.contains("no set called other"));

    // The paper's tables take what is there.
    let paper = path(&dir, "paper");
    expect(&["paper", "--results", &out, "-o", &paper], 0);
    assert!(std::fs::read_to_string(Path::new(&paper).join("report.html")).unwrap().contains("Table 9"));
}

#[test]
fn bad_input_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let out = path(&dir, "out");
    let image = |set: &str, extra: &[&str], code| {
        let arguments = [&["image", "--set", set, "-o", &out, "--no-programs"][..], extra].concat();
        expect(&arguments, code).1
    };
    let set = format!("s={}", dir.path().display());
    assert!(image(&set, &[], 3).contains("no image"));
    assert!(image("s=/no/such/folder", &[], 3).contains("/no/such/folder"));
    assert!(image(&set, &["--qualities", "50,20"], 2).contains("rise"));
    image("nonsense", &[], 2);
    assert!(image(&set, &["--set", &set], 2).contains("two sets are called s"));
    assert!(expect(&["paper", "--results", &path(&dir, ""), "-o", &out], 3).1.contains("no result file"));
    std::fs::write(dir.path().join("text.jpg"), "no image").unwrap();
    assert!(expect(&["speed", &path(&dir, "text.jpg")], 4).1.contains("text.jpg"));
    std::fs::write(dir.path().join("a.png"), "no image").unwrap();
    assert!(image(&set, &[], 4).contains("a.png"));

    let curve = |name: &str, results: &str| {
        let file = path(&dir, name);
        std::fs::write(&file, format!("{{\"name\":\"{name}\",\"results\":{results}}}")).unwrap();
        file
    };
    let good = curve("good", r#"{"bpp":[0.2,0.4,0.8,1.6],"psnr-rgb":[28,31,34,37]}"#);
    let apart = curve("apart", r#"{"bpp":[0.2,0.4,0.8,1.6],"psnr-rgb":[48,51,54,57]}"#);
    let some = curve("some", r#"{"bpp":[0.2,0.4,0.8,1.6],"psnr-rgb":[34,37,40,43]}"#);
    let one = curve("one", r#"{"bpp":[0.2],"psnr-rgb":[28]}"#);
    let falling = curve("falling", r#"{"bpp":[0.2,0.4],"psnr-rgb":[28,27]}"#);
    let null = curve("null", r#"{"bpp":[0.2,0.4],"psnr-rgb":[28,null]}"#);
    let mixed = curve("mixed", r#"{"bpp":[0.2,0.4],"psnr-rgb":[28]}"#);
    for (bad, says) in
        [(&one, "rate points: 1;"), (&falling, "not monotone"), (&null, "null"), (&mixed, "2 values of bpp")]
    {
        let message = expect(&["bd-rate", &good, bad], 4).1;
        assert!(message.contains(says) && message.contains(&**bad), "{message}");
        assert!(expect(&["compare", &good, bad], 4).1.contains(says));
    }
    let nan = curve("nan", r#"{"bpp":[0.2,0.4],"psnr-rgb":[28,NaN]}"#);
    for command in ["bd-rate", "compare"] {
        assert!(expect(&[command, &nan, &good], 4).1.contains("NaN at line 1"), "{command}");
    }
    assert!(expect(&["bd-rate", &good, &path(&dir, "none.json")], 3).1.contains("none.json"));
    assert!(expect(&["bd-rate", &good, &apart], 0).0.contains("none (overlap 0.0 %; the curves do not overlap)"));
    assert!(expect(&["bd-rate", &good, &some], 0).0.contains("warning: below 75 %"));
    let (text, _) = expect(&["compare", &good, &apart], 0);
    assert!(text.contains("| Pchip | none |") && text.contains("do not overlap"), "{text}");
    assert!(expect(&["compare", &good, &null], 4).1.contains("null"));
    expect(&["codec", "none", "encode", &good, &path(&dir, "x")], 2);
    assert!(
        expect(&["paper", "--results", "/no/such/folder", "-o", &path(&dir, "p")], 3).1.contains("/no/such/folder")
    );
}

/// A .npy file (format 1.0) of little-endian integers.
fn npy(path: &str, descr: &str, shape: &str, data: &[u8]) {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let padding = 63 - (10 + header.len()) % 64;
    let header = format!("{header}{}\n", " ".repeat(padding));
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    std::fs::write(path, [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()).unwrap();
}

#[test]
fn latents_go_through_all_anchors_and_into_the_papers_tables() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (path(&dir, "codes.npy"), path(&dir, "out"));
    let codes: Vec<u8> = (0..4000u32).flat_map(|i| [(i % 7) as u8, (i % 3) as u8]).collect();
    npy(&file, "|u1", "4000, 2", &codes);
    let arguments =
        ["latents", &file, "--medium", "rvq", "--codebook", "16", "--codec", "C", "--dataset", "LJSpeech", "-o", &out];
    expect(&arguments, 0);
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(Path::new(&out).join("report.json")).unwrap()).unwrap();
    let evaluation = &report["arrays"][0]["evaluation"];
    assert_eq!((evaluation["codes"].as_u64(), evaluation["raw_bits"].as_f64()), (Some(8000), Some(32000.0)));
    let results = evaluation["results"].as_array().unwrap();
    assert!(
        results.iter().any(|r| r["name"] == "lmcodec, adaptive" && r["bytes"].as_u64().unwrap() > 0),
        "our own row"
    );
    assert!(results.len() >= 8 && results.iter().any(|r| r["cr_percent"].as_f64().unwrap() < 10.0), "{results:?}");
    assert!(
        std::fs::read_to_string(Path::new(&out).join("report.md")).unwrap().contains("| raw | 4000 | 4.000 | 100.00 |")
    );

    // The records are what `eval paper` reads: two layers of LJSpeech.
    let paper = path(&dir, "paper");
    expect(&["paper", "--results", &out, "-o", &paper], 0);
    let text = std::fs::read_to_string(Path::new(&paper).join("report.md")).unwrap();
    let row = text.lines().find(|l| l.starts_with("| SpeechTokenizer | RVQ-1:2 | LJSpeech | 66.59 | ")).unwrap();
    assert!(!row.starts_with("| SpeechTokenizer | RVQ-1:2 | LJSpeech | 66.59 | – |"), "{row}");

    let run = |extra: &[&str], code| expect(&[&["latents", &file, "-o", &path(&dir, "x")][..], extra].concat(), code).1;
    assert!(run(&["--medium", "rvq", "--codebook", "6"], 4).contains("code 6 at 12"));
    assert!(run(&["--medium", "rvq", "--codebook", "16", "--layers", "3"], 2).contains("3 layers of 2"));
    run(&["--medium", "vq", "--codebook", "16", "--layers", "1"], 2);
    npy(&file, "<f4", "2,", &[0; 8]);
    assert!(run(&["--medium", "vq", "--codebook", "16"], 4).contains("codes are integers"));
    npy(&file, "<i2", "2,", &[1, 0, 255, 255]);
    assert!(run(&["--medium", "vq", "--codebook", "16"], 4).contains("element [1] is -1"));
    std::fs::write(&file, "no array").unwrap();
    run(&["--medium", "vq", "--codebook", "16"], 4);
}

#[test]
fn speech_goes_through_a_lossless_codec() {
    let dir = tempfile::tempdir().unwrap();
    let samples: Vec<i16> = (0..16000).map(|i| ((i as f64 * 0.05).sin() * 8000.0) as i16).collect();
    let wave = lmcodec_eval::speech::waveform::Waveform { sample_rate: 16000, samples };
    std::fs::create_dir(dir.path().join("speaker")).unwrap();
    std::fs::write(dir.path().join("speaker/a.wav"), wave.to_wav().unwrap()).unwrap();
    let (set, out) = (format!("tone={}", dir.path().display()), path(&dir, "out"));
    expect(&["speech", "--set", &set, "-o", &out], 0);
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(Path::new(&out).join("report.json")).unwrap()).unwrap();
    let (name, result) = (&report["sets"][0][0], &report["sets"][0][1]);
    assert_eq!(
        (name.as_str(), result["utterances"].as_u64(), result["seconds"].as_f64()),
        (Some("tone"), Some(1), Some(1.0))
    );
    let kbps = result["codecs"][0]["kbps"].as_f64().unwrap();
    assert!(kbps > 1.0 && kbps < 256.0, "{kbps}");
    assert!(
        std::fs::read_to_string(Path::new(&out).join("report.html")).unwrap().contains("1 utterances, 0.0 minutes")
    );
    // The report renders again, and is refused beside another of the same set.
    let (json, again) = (format!("{out}/report.json"), path(&dir, "again"));
    expect(&["render", &json, "-o", &again], 0);
    let text = |folder: &str, name: &str| std::fs::read_to_string(Path::new(folder).join(name)).unwrap();
    assert_eq!(text(&again, "report.html"), text(&out, "report.html"));
    expect(&["render", &json, &json, "-o", &path(&dir, "none")], 2);

    // Programs that listen: what is missing is named.
    let none = path(&dir, "none");
    let listen =
        |option: &str, command: &str, code| expect(&["speech", "--set", &set, "-o", &none, option, command], code).1;
    assert!(listen("--visqol", "no-such-program-xyz", 1).contains("--visqol: no-such-program-xyz"));
    assert!(listen("--visqol", "visqol --degraded {degraded}", 2).contains("does not use {reference}"));
    assert!(listen("--recogniser", "cat {degraded}", 4).contains("word error rates need transcripts"));
    assert_eq!(report["kind"], "lmcodec-speech-report");
    std::fs::write(dir.path().join("b.flac"), "no sound").unwrap();
    assert!(expect(&["speech", "--set", &set, "-o", &path(&dir, "x")], 4).1.contains("b.flac"));
    assert!(expect(&["speech", "--set", "s=/no/such/folder", "-o", &path(&dir, "x")], 3).1.contains("/no/such/folder"));
}

#[cfg(not(feature = "fid"))]
#[test]
fn fid_says_which_build_has_it() {
    let (_, stderr) = expect(&["fid", "a", "b", "--weights", "w"], 2);
    assert!(stderr.contains("eval fid") && stderr.contains("--features fid"), "{stderr}");
    let (help, _) = expect(&["--help"], 0);
    assert!(help.lines().any(|l| l.trim_start().starts_with("fid ") && l.contains("not in this build")), "{help}");
}
