//! Frames of VQ and RVQ codes: round trips, the same bits in every batch and kernel, damage, malformed model files.

use lmcodec_entropy::FileHash;
use lmcodec_entropy::code_heads::config::{CodeHeadsConfig, Medium};
use lmcodec_entropy::code_heads::testing::{heads_writer, random_heads, small_grids, small_steps};
use lmcodec_entropy::code_heads::{
    CodeHeads, CodeHeadsError, Codes, SEGMENT, Shape, count, decode, decode_from, decode_in_batches,
    decode_signals_from, encode, encode_in_batches, encode_into, encode_signals_into,
};
use lmcodec_entropy::coder::{RangeDecoder, RangeEncoder};
use lmcodec_entropy::error::ModelError;
use lmcodec_entropy::frame_llama::FrameLlama;
use lmcodec_entropy::frame_llama::testing::{Weights, random_model, small_config};
use lmcodec_entropy::isa::{Isa, Kernel};
use lmcodec_entropy::testing::{Random, isas};
use lmcodec_entropy::weights::default_model;
use proptest::prelude::*;
use safetensors::Dtype;
use sha2::{Digest, Sha256};

fn model(config: &CodeHeadsConfig, seed: u64) -> CodeHeads {
    CodeHeads::from_bytes(&random_heads(config, seed), &[]).unwrap()
}

/// Codes that repeat their neighbours often, as real ones do.
fn draw(shape: Shape, codebook: usize, seed: u64) -> Vec<u16> {
    let mut random = Random::new(seed);
    let mut codes: Vec<u16> = Vec::new();
    for i in 0..shape.len().unwrap() {
        let repeat = i > 0 && random.below(2) == 0;
        codes.push(if repeat { codes[i - 1] } else { random.below(codebook as u32) as u16 });
    }
    codes
}

fn shapes(medium: Medium) -> Vec<Shape> {
    let of = |grids, rows, columns, layers| Shape { grids, rows, columns, layers };
    match medium {
        Medium::Vq => vec![
            of(0, 3, 4, 1),
            of(1, 1, 1, 1),
            of(5, 3, 4, 1),
            of(9, 1, 2, 1),
            of(4, 7, 1, 1),
            // More rows and columns than places; more frames in a step than a batch holds; rings that wrap.
            of(3, 9, 40, 1),
            of(12, 40, 70, 1),
        ],
        Medium::Rvq => vec![
            of(1, 1, 0, 5),
            of(1, 1, 1, 5),
            of(3, 1, 40, 5),
            of(1, 1, 2 * SEGMENT + 3, 5),
            // More segments than a group.
            of(70, 1, 9, 5),
        ],
    }
}

#[test]
fn signals_of_one_length_are_an_array_and_others_come_back() {
    let config = small_steps();
    let (model, isa) = (model(&config, 4), Isa::detect());
    let shape = Shape { grids: 3, rows: 1, columns: 300, layers: 5 };
    let codes = draw(shape, config.codebook, 1);
    let array = encode(&model, isa, Codes { shape, codes: &codes }).unwrap();
    for steps in [vec![300, 300, 300], vec![256, 0, 44, 600], vec![900]] {
        let mut sink = RangeEncoder::new();
        encode_signals_into(&model, isa, &steps, &codes, &mut sink).unwrap();
        let bytes = sink.finish();
        assert_eq!(bytes == array, steps.len() == 3, "{steps:?}");
        let mut source = RangeDecoder::new(&bytes);
        assert_eq!(decode_signals_from(&model, isa, &steps, &mut source).unwrap(), codes, "{steps:?}");
        source.finish().unwrap();
    }
    let mut sink = RangeEncoder::new();
    encode_into(&model, isa, Codes { shape, codes: &codes }, &mut sink).unwrap();
    assert!(sink.finish() == array);
    assert_eq!(decode_from(&model, isa, shape, &mut RangeDecoder::new(&array)).unwrap(), codes);

    let refused =
        |steps: &[usize]| encode_signals_into(&model, isa, steps, &codes, &mut RangeEncoder::new()).unwrap_err();
    assert_eq!(refused(&[300, 300]), CodeHeadsError::Length { found: 4500, expected: 3000 });
    assert!(matches!(refused(&[usize::MAX, usize::MAX]), CodeHeadsError::Size { what: "codes", .. }));
    let grids = self::model(&small_grids(), 4);
    let error = decode_signals_from(&grids, isa, &[4], &mut RangeDecoder::new(&array)).unwrap_err();
    assert!(matches!(error, CodeHeadsError::Shape { .. }), "{error}");
}

#[test]
fn codes_come_back_and_batches_and_kernels_change_nothing() {
    for config in [small_grids(), small_steps()] {
        let model = model(&config, 4);
        for (i, shape) in shapes(config.medium).into_iter().enumerate() {
            let codes = draw(shape, config.codebook, i as u64);
            let codes = Codes { shape, codes: &codes };
            let scalar = Isa::new(Kernel::Scalar).unwrap();
            let expected = encode(&model, scalar, codes).unwrap();
            let bits = count(&model, scalar, codes).unwrap();
            assert!((expected.len() as f64 * 8.0 - bits).abs() < 9.0 + bits * 1e-4, "{bits}");
            assert_eq!(decode(&model, scalar, shape, &expected).unwrap(), codes.codes, "{shape:?}");
            for isa in isas() {
                for batch in [1, 7, 64] {
                    let found = encode_in_batches(&model, isa, codes, batch).unwrap();
                    assert!(found == expected, "{isa:?}, batches of {batch}, {shape:?}");
                }
                assert_eq!(decode_in_batches(&model, isa, shape, &expected, 5).unwrap(), codes.codes, "{shape:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_codes_come_back(
        vq in any::<bool>(), seed in any::<u64>(), grids in 1..4usize, rows in 1..6usize, columns in 1..30usize,
        codebook in 2..80usize, layers in 1..20usize, neighbour in -3..0i8, copies in 0..3usize
    ) {
        let config = if vq {
            CodeHeadsConfig { codebook, copies, ..small_grids() }
        } else {
            CodeHeadsConfig { codebook, code_layers: layers, context: vec![[0, 0, neighbour]], ..small_steps() }
        };
        let model = model(&config, seed);
        let shape = if vq { Shape { grids, rows, columns, layers: 1 } } else { Shape { grids, rows: 1, columns, layers } };
        let codes = draw(shape, codebook, seed);
        let bytes = encode(&model, Isa::detect(), Codes { shape, codes: &codes }).unwrap();
        prop_assert_eq!(decode(&model, Isa::detect(), shape, &bytes).unwrap(), codes);
    }

    #[test]
    fn damaged_bytes_never_panic_nor_pass_as_the_codes(seed in any::<u64>(), at in any::<u32>(), bit in 0..8u8, cut in any::<bool>()) {
        for config in [small_grids(), small_steps()] {
            let model = model(&config, 2);
            let shape = match config.medium {
                Medium::Vq => Shape { grids: 2, rows: 5, columns: 6, layers: 1 },
                Medium::Rvq => Shape { grids: 2, rows: 1, columns: 9, layers: 5 },
            };
            let codes = draw(shape, config.codebook, seed);
            let mut bytes = encode(&model, Isa::detect(), Codes { shape, codes: &codes }).unwrap();
            let at = at as usize % bytes.len();
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            match decode(&model, Isa::detect(), shape, &bytes) {
                Err(CodeHeadsError::Coder(_)) => {}
                Err(other) => prop_assert!(false, "{other}"),
                // The final state may fit by chance, but the codes cannot be the same.
                Ok(found) => prop_assert_ne!(found, codes),
            }
        }
    }
}

/// With overflow checks on (dev profile): the greatest weights that the loader lets through saturate, and kernels agree.
#[test]
fn extremes_saturate_and_agree() {
    for config in [small_grids(), small_steps()] {
        for seed in 0..4 {
            let bytes = heads_writer(&config, seed, Weights::Extreme).to_bytes_with(&config.to_json());
            let model = CodeHeads::from_bytes(&bytes, &[]).unwrap();
            let shape = shapes(config.medium)[2];
            let codes = draw(shape, config.codebook, seed);
            let all: Vec<_> = isas().map(|isa| encode(&model, isa, Codes { shape, codes: &codes }).unwrap()).collect();
            assert!(all.iter().all(|bytes| bytes == &all[0]));
            assert_eq!(decode(&model, Isa::detect(), shape, &all[0]).unwrap(), codes);
        }
    }
}

/// The arithmetic and the order of codes are part of the file format.
#[test]
fn golden_bytes() {
    let digest = |config: CodeHeadsConfig, isa: Isa| {
        let model = model(&config, 2026);
        let shape = shapes(config.medium)[3];
        let bytes = encode(&model, isa, Codes { shape, codes: &draw(shape, config.codebook, 1) }).unwrap();
        format!("{:x}", Sha256::digest(bytes))[..16].to_owned()
    };
    for isa in isas() {
        assert_eq!([digest(small_grids(), isa), digest(small_steps(), isa)], GOLDEN, "{isa:?}");
    }
}

const GOLDEN: [&str; 2] = ["88f291fc8380cde2", "fa0ef5d63ba18fbd"];

#[test]
fn codes_that_do_not_fit_are_refused() {
    let (grids, steps) = (model(&small_grids(), 1), model(&small_steps(), 1));
    let shape = Shape { grids: 1, rows: 2, columns: 2, layers: 1 };
    let isa = Isa::detect();
    let short = encode(&grids, isa, Codes { shape, codes: &[1, 2, 3] });
    assert_eq!(short, Err(CodeHeadsError::Length { found: 3, expected: 4 }));
    let outside = encode(&grids, isa, Codes { shape, codes: &[1, 2, 37, 0] });
    assert_eq!(outside, Err(CodeHeadsError::Code { found: 37, index: 2, codebook: 37 }));
    assert!(matches!(encode(&steps, isa, Codes { shape, codes: &[0; 4] }), Err(CodeHeadsError::Shape { .. })));
    let huge = Shape { grids: usize::MAX, rows: 3, columns: 4, layers: 1 };
    assert!(matches!(decode(&grids, isa, huge, &[]), Err(CodeHeadsError::Size { .. })));
    let tall = Shape { grids: 1, rows: 1 << 20, columns: 4, layers: 1 };
    assert!(matches!(
        decode(&grids, isa, tall, &[]),
        Err(CodeHeadsError::Size { what: "bytes of keys and values", .. })
    ));
}

#[test]
fn blocks_come_from_the_model_that_is_named() {
    let backbone = FrameLlama::from_bytes(&random_model(&small_config(), 5)).unwrap();
    let b = small_config();
    let named = CodeHeadsConfig {
        backbone_sha256: Some(FileHash(backbone.sha256()).to_string()),
        d_model: b.d_model,
        layers: b.layers,
        heads: b.heads,
        ffn: b.ffn,
        ..small_grids()
    };
    let bytes = random_heads(&named, 1);
    assert!(matches!(CodeHeads::from_bytes(&bytes, &[]), Err(ModelError::MissingBackbone { .. })));
    let model = CodeHeads::from_bytes(&bytes, &[&backbone]).unwrap();
    let shape = Shape { grids: 3, rows: 3, columns: 4, layers: 1 };
    let codes = draw(shape, named.codebook, 3);
    let coded = encode(&model, Isa::detect(), Codes { shape, codes: &codes }).unwrap();
    assert_eq!(decode(&model, Isa::detect(), shape, &coded).unwrap(), codes);
    let other = CodeHeadsConfig { layers: 1, ..named.clone() };
    let found = CodeHeads::from_bytes(&random_heads(&other, 1), &[&backbone]);
    assert!(matches!(found, Err(ModelError::ConfigRange { field: "layers", .. })));

    let e = default_model().get().expect("loads").config();
    let embedded = CodeHeadsConfig {
        backbone_sha256: Some(FileHash(default_model().get().expect("loads").sha256()).to_string()),
        d_model: e.d_model,
        layers: e.layers,
        heads: e.heads,
        ffn: e.ffn,
        depth_d: e.depth_d,
        depth_layers: e.depth_layers,
        depth_heads: e.depth_heads,
        depth_ffn: e.depth_ffn,
        ..small_steps()
    };
    CodeHeads::from_bytes(&random_heads(&embedded, 1), &[]).expect("an embedded backbone needs not be given");
}

#[test]
fn malformed_files_are_refused() {
    for config in [small_grids(), small_steps()] {
        let w = heads_writer(&config, 3, Weights::Realistic);
        let json = config.to_json();
        for name in w.names() {
            let mut missing = w.clone();
            missing.remove(&name);
            let found = CodeHeads::from_bytes(&missing.to_bytes_with(&json), &[]);
            assert!(matches!(found, Err(ModelError::MissingTensor { name: n }) if n == name));
            let (dtype, shape, data) = w.get(&name).unwrap().clone();
            let mut reshaped = w.clone();
            reshaped.set(&name, dtype, &[&[1][..], &shape].concat(), data.clone());
            let found = CodeHeads::from_bytes(&reshaped.to_bytes_with(&json), &[]);
            assert!(matches!(found, Err(ModelError::Shape { name: n, .. }) if n == name));
        }
        let mut more = w.clone();
        more.set("extra", Dtype::I32, &[1], vec![0; 4]);
        let found = CodeHeads::from_bytes(&more.to_bytes_with(&json), &[]);
        assert!(matches!(found, Err(ModelError::UnexpectedTensor { .. })));
        let bytes = w.to_bytes_with(&json);
        let mut random = Random::new(9);
        for _ in 0..200 {
            let mut damaged = bytes.clone();
            let at = random.below(bytes.len().min(6000) as u32) as usize;
            damaged[at] ^= 1 << random.below(8);
            let _ = CodeHeads::from_bytes(&damaged, &[]);
            let _ = CodeHeads::from_bytes(&bytes[..random.below(bytes.len() as u32) as usize], &[]);
        }
    }
}

#[test]
fn configurations_that_cannot_be_coded_are_refused() {
    let refused = |config: CodeHeadsConfig, field: &str| {
        let found = CodeHeadsConfig::from_json(&config.to_json());
        assert!(matches!(&found, Err(ModelError::ConfigRange { field: f, .. }) if *f == field), "{field}: {found:?}");
    };
    let (g, s) = (small_grids, small_steps);
    refused(CodeHeadsConfig { codebook: 1, ..g() }, "codebook");
    refused(CodeHeadsConfig { codebook: 16_385, ..g() }, "codebook");
    refused(CodeHeadsConfig { code_layers: 2, ..g() }, "code_layers");
    refused(CodeHeadsConfig { code_layers: 64, ..s() }, "code_layers");
    refused(CodeHeadsConfig { copies: 6, ..g() }, "copies");
    refused(CodeHeadsConfig { rows: 0, ..g() }, "rows");
    refused(CodeHeadsConfig { rows: 1, ..s() }, "rows");
    refused(CodeHeadsConfig { heads: 3, ..g() }, "d_model");
    // A frame must not see itself or what comes later.
    for neighbour in [[0, 0, 0], [0, 0, 1], [0, -1, 2], [0, 1, -2], [1, 0, 4], [1, 1, 2], [5, 0, 0]] {
        refused(CodeHeadsConfig { context: vec![neighbour], copies: 0, ..g() }, "context");
    }
    refused(CodeHeadsConfig { context: vec![[1, 0, 0]], ..s() }, "context");
    for step in [[0, 0], [0, 1], [-1, 0], [17, 0]] {
        refused(CodeHeadsConfig { step_context: vec![step], ..s() }, "step_context");
    }
    let found = CodeHeadsConfig::from_json(&g().to_json().replace("frame-heads", "frame-llama"));
    assert!(matches!(found, Err(ModelError::Unsupported { field: "arch", .. })));
}
