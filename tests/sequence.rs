//! Files coded with a sequence Llama (a tiny random one): JPEG, VQ, RVQ; models by hash, missing, damaged.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lmcodec::container::Header;
use lmcodec::{
    CodesMedium, CodesOptions, DecodeOptions, EncodeOptions, Error, Mode, Model, SegmentPlace, decode, encode,
    encode_codes, inspect, salvage,
};
use lmcodec_codecs::codes::ElementType;
use lmcodec_entropy::arrangement::flat::{Components, FlatArrangement, LayerOrder, Scan};
use synthetic::{indices, jpeg_file, npy, sequence_files};

mod synthetic;

fn model(arrangement: &FlatArrangement) -> Arc<Model> {
    let (backbone, heads) = sequence_files(arrangement);
    Arc::new(Model::from_sequence("tiny", &backbone, &heads).expect("loads"))
}

fn options(model: &Arc<Model>) -> EncodeOptions {
    // Of a gray picture 40 samples wide these are 640 coefficients, so 3 chunks of 256.
    EncodeOptions::new().model(Arc::clone(model)).always_model(true).segment_rows(2)
}

fn decode_options(model: &Arc<Model>) -> DecodeOptions {
    DecodeOptions::new().model(Arc::clone(model))
}

fn all(scan: Scan) -> FlatArrangement {
    FlatArrangement::jpeg(scan, Components::All, 256)
}

#[test]
fn jpeg_files_round_trip_in_every_scan() {
    let original = jpeg_file(40, 24, 3, &Default::default());
    for scan in Scan::ALL {
        let model = model(&all(scan));
        let encoded = encode(&original, &options(&model)).expect("encodes");
        assert_eq!(
            (encoded.summary.mode, encoded.summary.model.as_deref()),
            (Mode::Modelled, Some("tiny")),
            "{scan:?}"
        );
        // 2·(48 · 32) samples in 4:2:0, padded to whole MCUs.
        assert_eq!(encoded.summary.symbols, Some(48 * 32 * 3 / 2));
        assert!(decode(&encoded.bytes, &decode_options(&model)).expect("decodes") == original, "{scan:?}");
    }
    let luma = model(&FlatArrangement::jpeg(Scan::BlockZigzag, Components::Luma, 256));
    let error = encode(&original, &options(&luma)).expect_err("colour").to_string();
    assert!(error.contains("codes luma alone, the image has 3 components"), "{error}");
    let gray = jpeg_file(40, 24, 1, &Default::default());
    let file = encode(&gray, &options(&luma)).expect("encodes").bytes;
    assert!(decode(&file, &decode_options(&luma)).expect("decodes") == gray);
}

#[test]
fn codes_round_trip() {
    let vq = npy(ElementType::U16, false, &[9, 8, 12], indices(864, 96, 100, 1));
    let rvq = npy(ElementType::U8, false, &[4, 120], indices(480, 120, 16, 2));
    let order = |order| FlatArrangement::rvq(vec![16, 20, 30, 16], order, 256);
    for (original, medium, arrangement) in [
        (&vq, CodesMedium::Vq { grid: None }, FlatArrangement::vq(100, 256)),
        (&rvq, CodesMedium::Rvq { layers_first: true }, order(LayerOrder::Separate)),
        (&rvq, CodesMedium::Rvq { layers_first: true }, order(LayerOrder::Interleaved)),
    ] {
        let model = model(&arrangement);
        let codes = CodesOptions::new(medium).segment_codes(3 * 256);
        let file = encode_codes(original, &codes, &options(&model)).expect("encodes").bytes;
        assert!(decode(&file, &decode_options(&model)).expect("decodes") == *original);
        let about = inspect(&file, &DecodeOptions::default()).expect("inspects").codes.expect("codes");
        assert_eq!(about.model, format!("{} tiny", model.id()));
        for i in (0..file.len()).step_by(5) {
            let mut damaged = file.clone();
            damaged[i] ^= 4;
            assert!(decode(&damaged, &decode_options(&model)).is_err(), "byte {i}");
        }
    }
    let small = model(&FlatArrangement::vq(50, 256));
    let error = encode_codes(&vq, &CodesOptions::new(CodesMedium::Vq { grid: None }), &options(&small));
    assert!(error.expect_err("a code of 50 or more").to_string().contains("in a vocabulary of 50"));
    let error = encode_codes(&rvq, &CodesOptions::new(CodesMedium::Rvq { layers_first: true }), &options(&small));
    assert!(error.expect_err("four layers").to_string().contains("not for 4"));
}

#[test]
fn damage_is_located_and_the_rest_is_salvaged() {
    let original = jpeg_file(40, 24, 1, &Default::default());
    let model = model(&all(Scan::BlockZigzag));
    let file = encode(&original, &options(&model)).expect("encodes").bytes;
    for i in 0..file.len() {
        let mut damaged = file.clone();
        damaged[i] ^= 0x21;
        assert!(decode(&damaged, &decode_options(&model)).is_err(), "byte {i}");
    }
    let (header, start) = Header::read(&file).expect("reads");
    // 40 x 24 samples are 15 blocks, 960 symbols, 4 chunks, 2 segments.
    assert_eq!(header.payloads.len(), 2);
    let mut damaged = file.clone();
    damaged[start + header.payloads[0].length] ^= 1;
    let salvaged = salvage(&damaged, &decode_options(&model)).expect("salvages");
    assert_eq!(salvaged.faults[0].place, SegmentPlace::Chunks(3..4));
    lmcodec_codecs::jpeg::parse(&salvaged.bytes, &Default::default()).expect("an image");
}

#[test]
fn memory_is_computed_before_it_is_taken() {
    let original = jpeg_file(40, 24, 1, &Default::default());
    let model = model(&all(Scan::BlockZigzag));
    let mut options = options(&model);
    options.limits.max_model_bytes = 1000;
    let error = encode(&original, &options).expect_err("too little");
    assert!(matches!(error, Error::Limit { what: "bytes of keys and values", .. }), "{error}");
}

fn lmcodec(folder: &Path, models: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lmcodec"))
        .current_dir(folder)
        .env("LMCODEC_MODELS", models)
        .env("XDG_DATA_HOME", folder.join("data"))
        .args(arguments)
        .output()
        .expect("runs");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn models_are_found_by_hash() {
    let dir = tempfile::tempdir().expect("a folder");
    let (dir, models) = (dir.path(), dir.path().join("models"));
    let (backbone, heads) = sequence_files(&all(Scan::BlockZigzag));
    let original = jpeg_file(40, 24, 3, &Default::default());
    for (name, bytes) in [("photo.jpg", &original), ("tiny.safetensors", &heads)] {
        fs::write(dir.join(name), bytes).expect("writes");
    }
    let (_, stderr) = lmcodec(dir, &models, &["encode", "photo.jpg", "--model", "tiny.safetensors"], 5);
    assert!(stderr.contains("the head set tiny needs the backbone with SHA-256 "), "{stderr}");
    assert!(stderr.contains(&models.display().to_string()), "{stderr}");
    // Beside the head set, under any name.
    fs::create_dir(dir.join("backbones")).expect("creates");
    fs::write(dir.join("weights.safetensors"), &backbone).expect("writes");
    let encode = ["encode", "photo.jpg", "--model", "tiny.safetensors", "--always-model", "--json"];
    let (stdout, _) = lmcodec(dir, &models, &encode, 0);
    let line: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((line["model"].as_str(), line["symbols"].as_u64()), (Some("tiny"), Some(2304)));
    assert!(line["symbols_per_second"].as_f64().is_some_and(|speed| speed > 0.0));

    let (_, stderr) = lmcodec(dir, &models, &["decode", "photo.ljpg", "-o", "back.jpg"], 5);
    assert!(stderr.contains("(called tiny)") && stderr.contains("folder "), "{stderr}");
    lmcodec(dir, &models, &["verify", "photo.ljpg", "--against", "photo.jpg", "--model", "tiny.safetensors"], 0);
    let (_, stderr) = lmcodec(dir, &models, &["models", "add", "photo.jpg"], 2);
    assert!(stderr.contains("is no safetensors file"), "{stderr}");
    lmcodec(dir, &models, &["models", "add", "weights.safetensors", "tiny.safetensors"], 0);
    fs::remove_file(dir.join("weights.safetensors")).expect("removes");
    lmcodec(dir, &models, &["verify", "photo.ljpg", "--against", "photo.jpg"], 0);
    let (stdout, _) = lmcodec(dir, &models, &["models", "list"], 0);
    assert!(["embedded", "sequence backbone", "sequence heads"].iter().all(|text| stdout.contains(text)), "{stdout}");
    let (stdout, _) = lmcodec(dir, &models, &["models", "path"], 0);
    assert_eq!(stdout.lines().next(), Some(models.to_str().expect("a path")));
    let (stdout, _) = lmcodec(dir, &models, &["inspect", "photo.ljpg"], 0);
    assert!(stdout.contains("40x24") && stdout.contains("chunks"), "{stdout}");
    // A backbone alone is no model.
    fs::write(dir.join("b.safetensors"), &backbone).expect("writes");
    let (_, stderr) = lmcodec(dir, &models, &["encode", "photo.jpg", "--model", "b.safetensors", "-o", "x"], 2);
    assert!(stderr.contains("is a backbone"), "{stderr}");
}

#[test]
fn codes_on_the_command_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let (dir, models) = (dir.path(), dir.path().join("models"));
    for (name, original, _) in synthetic::code_files() {
        let extension = if name == "vq-tensor" { "safetensors" } else { "npy" };
        fs::write(dir.join(format!("{name}.{extension}")), original).expect("writes");
    }
    let (stdout, _) = lmcodec(dir, &models, &["encode", "vq-video.npy", "--vq", "--codebook", "1024", "--json"], 0);
    assert!(stdout.contains("\"model\":\"adaptive\"") && stdout.contains("\"symbols\":3840"), "{stdout}");
    lmcodec(dir, &models, &["encode", "vq-flat.npy", "--vq", "--grid", "8x12"], 0);
    lmcodec(dir, &models, &["encode", "rvq.npy", "--rvq", "--codebook", "16"], 0);
    lmcodec(dir, &models, &["encode", "rvq-layers-first.npy", "--rvq", "--layers-first"], 0);
    lmcodec(dir, &models, &["encode", "vq-tensor.safetensors", "--vq", "--tensor", "codes"], 0);
    let coded = ["vq-video.lvq", "vq-flat.lvq", "rvq.lrvq", "rvq-layers-first.lrvq", "vq-tensor.lvq"];
    lmcodec(dir, &models, &[&["decode"], &coded[..], &["-o", "back/"]].concat(), 0);
    for name in ["vq-video.npy", "vq-flat.npy", "rvq.npy", "rvq-layers-first.npy", "vq-tensor.safetensors"] {
        let [original, back] = [dir.join(name), dir.join("back").join(name)].map(|path| fs::read(path).expect(name));
        assert!(original == back, "{name}");
    }
    let (stdout, _) = lmcodec(dir, &models, &["inspect", "vq-flat.lvq"], 0);
    assert!(stdout.contains("VQ grid           8x12") && stdout.contains("u16 [40, 96]"), "{stdout}");
    let (_, stderr) = lmcodec(dir, &models, &["encode", "vq-video.npy", "--vq", "--codebook", "9", "-o", "x"], 4);
    assert!(stderr.contains("not below the codebook size 9"), "{stderr}");
    let (_, stderr) =
        lmcodec(dir, &models, &["encode", "vq-tensor.safetensors", "--vq", "--tensor", "y", "-o", "x"], 2);
    assert!(stderr.contains("codes (I32 [20, 30])"), "{stderr}");
    lmcodec(dir, &models, &["encode", "vq-flat.npy", "--vq", "--grid", "9x9", "-o", "x"], 2);
    lmcodec(dir, &models, &["encode", "vq-flat.npy", "--vq", "--rvq"], 2);
    lmcodec(dir, &models, &["encode", "vq-flat.npy", "--codebook", "9"], 2);
    assert!(!dir.join("x").exists());
}
