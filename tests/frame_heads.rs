//! Files of codes under frame heads (tiny random ones): there and back, damaged, models by name and hash, missing, misfit.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use lmcodec::container::{CodesModel, Content, Header};
use lmcodec::{
    CodesMedium, CodesOptions, DecodeOptions, EncodeOptions, Error, Kernel, Mode, Model, SegmentPlace, decode,
    encode_codes, inspect, salvage, verify,
};
use lmcodec_codecs::codes::{ElementType, parse};
use lmcodec_entropy::code_heads::config::CodeHeadsConfig;
use lmcodec_entropy::code_heads::testing::{random_heads, small_grids, small_steps};
use lmcodec_entropy::frame_llama::FrameLlama;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use synthetic::{encode_options, indices, jpeg_file, model_bytes, npy};

mod synthetic;

fn heads(config: &CodeHeadsConfig) -> Arc<Model> {
    Arc::new(Model::from_frame_heads("tiny", &random_heads(config, 5), None).expect("loads"))
}

/// Heads on the blocks of [`model_bytes`].
fn heads_on_a_backbone(config: &CodeHeadsConfig) -> Vec<u8> {
    let backbone = FrameLlama::from_bytes(&model_bytes(1)).expect("valid");
    let b = backbone.config();
    let rvq = config.depth_d > 0;
    let depth = |n: usize| if rvq { n } else { 0 };
    let config = CodeHeadsConfig {
        backbone_sha256: Some(format!("{:x}", Sha256::digest(model_bytes(1)))),
        d_model: b.d_model,
        layers: b.layers,
        heads: b.heads,
        ffn: b.ffn,
        depth_d: depth(b.depth_d),
        depth_layers: depth(b.depth_layers),
        depth_heads: depth(b.depth_heads),
        depth_ffn: depth(b.depth_ffn),
        ..config.clone()
    };
    random_heads(&config, 6)
}

fn options(model: &Arc<Model>) -> EncodeOptions {
    EncodeOptions::new().model(Arc::clone(model)).always_model(true)
}

/// Codes of a chunk: of one of [`grids`], or of 256 steps of [`signals`].
fn chunk(codes: &CodesOptions) -> usize {
    if matches!(codes.medium, CodesMedium::Vq { .. }) { 12 } else { 256 * 5 }
}

/// In segments of so many chunks.
fn cut(codes: &CodesOptions, chunks: usize) -> CodesOptions {
    codes.clone().segment_codes(chunks * chunk(codes))
}

fn decode_options(model: &Arc<Model>) -> DecodeOptions {
    DecodeOptions::new().model(Arc::clone(model))
}

fn vq() -> CodesOptions {
    CodesOptions::new(CodesMedium::Vq { grid: None }).codebooks([37])
}

fn rvq(layers_first: bool) -> CodesOptions {
    CodesOptions::new(CodesMedium::Rvq { layers_first }).codebooks([10])
}

/// Twenty grids of 3 × 4, and two signals of 600 steps of 5 layers.
fn grids() -> Vec<u8> {
    npy(ElementType::U16, false, &[20, 3, 4], indices(240, 12, 37, 1))
}

fn signals() -> Vec<u8> {
    npy(ElementType::U8, false, &[2, 600, 5], indices(6000, 5, 10, 2))
}

#[test]
fn codes_come_back_whatever_the_segments_threads_and_kernels() {
    let transposed = npy(ElementType::I32, true, &[5, 300], indices(1500, 300, 10, 3));
    for (model, original, codes, chunks) in [
        (heads(&small_grids()), grids(), vq(), 20usize),
        (heads(&small_steps()), signals(), rvq(false), 6),
        (heads(&small_steps()), transposed, rvq(true), 2),
    ] {
        for (per_segment, segments) in [(1, chunks), (4, chunks.div_ceil(4)), (1000, 1)] {
            let (mut options, codes) = (options(&model), cut(&codes, per_segment));
            let encoded = encode_codes(&original, &codes, &options).expect("encodes");
            assert_eq!((encoded.summary.mode, encoded.summary.model.as_deref()), (Mode::Modelled, Some("tiny")));
            assert_eq!(encoded.summary.symbols, Some(parse(&original, None).expect("parses").codes.len() as u64));
            let (header, _) = Header::read(&encoded.bytes).expect("reads");
            assert_eq!(header.payloads.len(), segments);
            verify(&encoded.bytes, Some(&original), &decode_options(&model)).expect("the original");
            options.execution.threads = std::num::NonZeroUsize::new(3);
            options.execution.kernel = Some(Kernel::Scalar);
            assert!(encode_codes(&original, &codes, &options).expect("encodes").bytes == encoded.bytes);
        }
        // Unless told otherwise, so few codes are one segment.
        let file = encode_codes(&original, &codes, &options(&model)).expect("encodes").bytes;
        assert_eq!(Header::read(&file).expect("reads").0.payloads.len(), 1);
        let about = inspect(&file, &DecodeOptions::default()).expect("inspects").codes.expect("codes");
        assert_eq!(about.model, format!("{} tiny", model.id()));
    }
}

#[test]
fn damage_is_located_and_the_rest_is_salvaged() {
    for (model, original, codes, lost) in [
        (heads(&small_grids()), grids(), vq(), 48..96),
        // Chunks of 256, 256 and 88 steps a signal: four reach into the second.
        (heads(&small_steps()), signals(), rvq(false), 600 * 5 + 256 * 5..6000),
    ] {
        let file = encode_codes(&original, &cut(&codes, 4), &options(&model)).expect("encodes").bytes;
        let (header, start) = Header::read(&file).expect("reads");
        let mut damaged = file.clone();
        damaged[start + header.payloads[0].length] ^= 1;
        assert!(matches!(decode(&damaged, &decode_options(&model)), Err(Error::DamagedSegments { .. })));
        let salvaged = salvage(&damaged, &decode_options(&model)).expect("salvages");
        assert_eq!(salvaged.faults.len(), 1);
        assert_eq!(salvaged.faults[0].place, SegmentPlace::Codes(lost.clone()));
        let (found, mut expected) =
            (parse(&salvaged.bytes, None).expect("parses"), parse(&original, None).expect("parses"));
        expected.codes[lost].fill(0);
        assert!(found == expected);
        for i in (0..file.len()).step_by(if file.len() > 1000 { 41 } else { 1 }) {
            let mut damaged = file.clone();
            damaged[i] ^= 0x10;
            assert!(decode(&damaged, &decode_options(&model)).is_err(), "byte {i}");
        }
    }
}

/// A header under valid CRCs that says something else about segments, model or shape: an error, never another file.
#[test]
fn headers_that_lie_are_refused() {
    let (model, original) = (heads(&small_grids()), grids());
    let file = encode_codes(&original, &cut(&vq(), 4), &options(&model)).expect("encodes").bytes;
    let (header, start) = Header::read(&file).expect("reads");
    let lie = |change: &dyn Fn(&mut Header)| {
        let mut header = header.clone();
        change(&mut header);
        let lie = [header.to_bytes(), file[start..].to_vec()].concat();
        decode(&lie, &decode_options(&model)).expect_err("a lie").to_string()
    };
    let codes = |header: &mut Header| match &mut header.content {
        Content::Codes(codes) => codes.clone(),
        _ => unreachable!("codes were encoded"),
    };
    let with = |change: &dyn Fn(&mut lmcodec::container::CodesContent)| {
        lie(&|header| {
            let mut content = codes(header);
            change(&mut content);
            header.content = Content::Codes(content);
        })
    };
    assert!(with(&|c| c.per_segment = 3).contains("5 segments where the codes need 7"));
    assert!(with(&|c| c.per_segment = 1 << 60).contains("where the codes need 1"));
    let text = with(&|c| c.medium = lmcodec::container::CodeMedium::Rvq { layers_first: false });
    assert!(text.contains("is for VQ grids, not for RVQ codes of 4 layers"), "{text}");
    let text = with(&|c| c.model = CodesModel::Named(model_reference(c)));
    assert!(text.contains("is frame heads for codebook indices, not a sequence model"), "{text}");
}

fn model_reference(content: &lmcodec::container::CodesContent) -> lmcodec::ModelReference {
    content.model.reference().expect("a model").clone()
}

#[test]
fn what_does_not_fit_the_heads_is_said() {
    let (grid_heads, step_heads) = (heads(&small_grids()), heads(&small_steps()));
    let says = |original: &[u8], codes: &CodesOptions, model: &Arc<Model>, text: &str| {
        let error = encode_codes(original, codes, &options(model)).expect_err(text);
        assert!(matches!(error, Error::InvalidOption(_)) && error.to_string().contains(text), "{error}");
    };
    let inferred = |codes: CodesOptions| codes.codebooks([]);
    // Media, layers, codebooks.
    says(&signals(), &rvq(false), &grid_heads, "is for VQ grids, not for RVQ codes of 5 layers");
    says(&grids(), &inferred(vq()), &step_heads, "is for RVQ codes of 5 layers, not for VQ grids of 3x4");
    let narrow = npy(ElementType::U8, false, &[30, 4], indices(120, 4, 10, 1));
    says(&narrow, &rvq(false), &step_heads, "RVQ codes of 5 layers, not for RVQ codes of 4 layers");
    let stated = vq().codebooks([1024]);
    says(&grids(), &stated, &grid_heads, "a codebook of 37, the codes need 1024");
    let wide = npy(ElementType::U16, false, &[3, 4], vec![0, 1, 2, 3, 37, 5, 6, 7, 8, 9, 10, 11]);
    says(&wide, &inferred(vq()), &grid_heads, "a codebook of 37, the codes need 38");
    // Another kind of model.
    says(&grids(), &vq(), &synthetic::model(), "is a frame model for JPEG files, not a sequence model");
    let photo = jpeg_file(16, 16, 1, &Default::default());
    let error = lmcodec::encode(&photo, &encode_options().model(grid_heads));
    assert!(error.expect_err("no frame model").to_string().contains("is frame heads for codebook indices"));
    // Too little memory, computed beforehand.
    let mut tight = options(&step_heads);
    tight.limits.max_model_bytes = 1000;
    let error = encode_codes(&signals(), &rvq(false), &tight).expect_err("too little");
    assert!(matches!(error, Error::Limit { what: "bytes of keys and values", .. }), "{error}");
}

/// Files written by this version, as digests: whatever build runs this, the bytes are these.
#[test]
fn golden_files() {
    let digest = |model: &Arc<Model>, original: &[u8], codes: &CodesOptions| -> String {
        let file = encode_codes(original, &cut(codes, 4), &options(model)).expect("encodes").bytes;
        format!("{:x}", Sha256::digest(&file))[..16].to_owned()
    };
    assert_eq!(digest(&heads(&small_grids()), &grids(), &vq()), "ac30cc8429ff6616");
    assert_eq!(digest(&heads(&small_steps()), &signals(), &rvq(false)), "a2d9f8bfcb7855ea");
}

fn lmcodec(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lmcodec"))
        .current_dir(folder)
        .env("LMCODEC_MODELS", folder.join("models"))
        .env("XDG_DATA_HOME", folder.join("data"))
        .args(arguments)
        .output()
        .expect("runs");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn the_command_line_finds_heads_and_their_backbone() {
    for (config, original, medium, extension, codebook) in
        [(small_grids(), grids(), "--vq", "lvq", "37"), (small_steps(), signals(), "--rvq", "lrvq", "10")]
    {
        let dir = tempfile::tempdir().expect("a folder");
        let dir = dir.path();
        let heads = heads_on_a_backbone(&config);
        fs::write(dir.join("codes.npy"), &original).expect("writes");
        fs::write(dir.join("tiny.safetensors"), &heads).expect("writes");
        let encode = ["encode", "codes.npy", medium, "--codebook", codebook, "--always-model", "--model"];
        let (_, stderr) = lmcodec(dir, &[&encode[..], &["tiny.safetensors"]].concat(), 5);
        let hash = format!("{:x}", Sha256::digest(model_bytes(1)));
        assert!(stderr.contains("needs the backbone with SHA-256") && stderr.contains(&hash), "{stderr}");
        lmcodec(dir, &["models", "add", "tiny.safetensors"], 5);
        // Beside the heads, under any name.
        fs::write(dir.join("b.safetensors"), model_bytes(1)).expect("writes");
        let (stdout, _) = lmcodec(dir, &[&encode[..], &["tiny.safetensors", "--json"]].concat(), 0);
        assert!(stdout.contains("\"model\":\"tiny\""), "{stdout}");
        let coded = format!("codes.{extension}");

        let (_, stderr) = lmcodec(dir, &["decode", &coded, "-o", "back.npy"], 5);
        assert!(stderr.contains("(called tiny)") && stderr.contains("models"), "{stderr}");
        assert!(!dir.join("back.npy").exists());
        lmcodec(dir, &["decode", &coded, "-o", "back.npy", "--model", "tiny.safetensors"], 0);
        assert!(fs::read(dir.join("back.npy")).expect("reads") == original);

        lmcodec(dir, &["models", "add", "b.safetensors", "tiny.safetensors"], 0);
        fs::remove_file(dir.join("b.safetensors")).expect("removes");
        fs::remove_file(dir.join("tiny.safetensors")).expect("removes");
        lmcodec(dir, &["decode", &coded, "-o", "back.npy", "--force"], 0);
        assert!(fs::read(dir.join("back.npy")).expect("reads") == original);
        let (stdout, _) = lmcodec(dir, &["models", "list", "--json"], 0);
        let listed = stdout.lines().find(|line| line.contains("\"frame heads\"")).expect("listed");
        let listed: serde_json::Value = serde_json::from_str(listed).expect("JSON");
        assert_eq!(listed["backbone_sha256"].as_str(), Some(hash.as_str()));

        // By the beginning of the hash; not by one that nothing has.
        let sha256 = listed["sha256"].as_str().expect("a hash");
        lmcodec(dir, &[&encode[..], &[&sha256[..12], "--force"]].concat(), 0);
        lmcodec(dir, &["verify", &coded, "--against", "codes.npy", "--model", sha256], 0);
        let (_, stderr) = lmcodec(dir, &[&encode[..], &["nothing", "--force"]].concat(), 5);
        assert!(stderr.contains("no model nothing") && stderr.contains("models"), "{stderr}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_shape_comes_back(
        (signals, steps) in (0usize..4, 0usize..400),
        (count, rows, columns) in (0usize..5, 1usize..7, 1usize..9),
        chunks in 1usize..5,
        seed: u32,
    ) {
        let (grid_heads, step_heads) = (heads(&small_grids()), heads(&small_steps()));
        let stacks = npy(ElementType::U8, false, &[signals, steps, 5], indices(signals * steps * 5, 5, 10, seed));
        let grids = npy(ElementType::U8, false, &[count, rows, columns], indices(count * rows * columns, 4, 37, seed));
        for (model, original, codes) in [(grid_heads, grids, vq()), (step_heads, stacks, rvq(false))] {
            let codes = cut(&codes, chunks);
            let file = encode_codes(&original, &codes, &options(&model).verify(false)).expect("encodes").bytes;
            prop_assert!(decode(&file, &decode_options(&model)).expect("decodes") == original);
        }
    }
}
