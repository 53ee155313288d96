//! Kernel, batch, order and neighbours change no bit.

use super::load;
use lmcodec_entropy::isa::{Isa, Kernel};
use lmcodec_entropy::sequence_llama::export::CheckpointShape;
use lmcodec_entropy::sequence_llama::testing::{Extent, RandomCheckpoint, integer_model, small_shape};
use lmcodec_entropy::sequence_llama::{Position, SequenceEngine, SequenceLlama};
use lmcodec_entropy::testing::Random;
use sha2::{Digest, Sha256};

fn isas() -> Vec<Isa> {
    Kernel::available().into_iter().map(|k| Isa::new(k).unwrap()).collect()
}

/// Shapes that take every path of the kernels: groups of 1, 3, 5 and 8 heads, columns of 16 to 128, rows that need blocks.
fn shapes() -> Vec<CheckpointShape> {
    let small = small_shape();
    vec![
        small.clone(),
        CheckpointShape { d_model: 33, heads: 5, head_dim: 6, ffn: 7, ..small.clone() },
        CheckpointShape { d_model: 80, heads: 8, kv_heads: 1, head_dim: 48, ffn: 50, layers: 1, ..small.clone() },
        CheckpointShape { d_model: 96, heads: 2, kv_heads: 2, head_dim: 128, ffn: 90, layers: 1, ..small.clone() },
        CheckpointShape { d_model: 64, heads: 4, kv_heads: 2, head_dim: 64, ffn: 4096, layers: 1, ..small },
    ]
}

const VOCABULARIES: [u32; 3] = [30, 1, 70];

/// Chunks of symbols, (RVQ layer, symbol) at each position.
fn chunks(lengths: &[usize], seed: u64) -> Vec<Vec<(u16, u16)>> {
    let mut random = Random::new(seed);
    let mut symbol = |i: usize| {
        let layer = i % VOCABULARIES.len();
        (layer as u16, random.below(VOCABULARIES[layer]) as u16)
    };
    lengths.iter().map(|&n| (0..n).map(&mut symbol).collect()).collect()
}

fn position(row: usize, chunk: &[(u16, u16)], i: usize) -> Position {
    Position { row: row as u32, previous: i.checked_sub(1).map(|i| chunk[i]), layer: chunk[i].0 }
}

/// Every chunk's logits, each chunk alone, one position a step.
fn one_by_one(model: &SequenceLlama, isa: Isa, chunks: &[Vec<(u16, u16)>]) -> Vec<Vec<i32>> {
    let longest = chunks.iter().map(Vec::len).max().unwrap();
    let mut engine = SequenceEngine::new(model, isa, 1, longest, 1);
    let mut run = |chunk: &Vec<(u16, u16)>| {
        engine.reset_row(0);
        let (mut all, mut logits) = (Vec::new(), vec![7; 5]);
        for i in 0..chunk.len() {
            engine.step(&[position(0, chunk, i)], &mut logits);
            assert_eq!(logits.len(), VOCABULARIES[usize::from(chunk[i].0)] as usize);
            all.extend_from_slice(&logits);
        }
        all
    };
    chunks.iter().map(&mut run).collect()
}

/// The same with all chunks at once; each step takes what `next` picks: (row, how many positions).
fn together(
    model: &SequenceLlama,
    isa: Isa,
    chunks: &[Vec<(u16, u16)>],
    mut next: impl FnMut(&[usize]) -> Vec<(usize, usize)>,
) -> Vec<Vec<i32>> {
    let longest = chunks.iter().map(Vec::len).max().unwrap();
    let mut engine = SequenceEngine::new(model, isa, chunks.len(), longest, 64);
    let (mut all, mut logits) = (vec![Vec::new(); chunks.len()], Vec::new());
    loop {
        let left: Vec<usize> = chunks.iter().enumerate().map(|(r, c)| c.len() - engine.len(r as u32)).collect();
        if left.iter().all(|&n| n == 0) {
            return all;
        }
        let mut positions = Vec::new();
        let mut done: Vec<usize> = (0..chunks.len()).map(|r| engine.len(r as u32)).collect();
        for (row, count) in next(&left) {
            for _ in 0..count.min(chunks[row].len() - done[row]).min(64 - positions.len()) {
                positions.push(position(row, &chunks[row], done[row]));
                done[row] += 1;
            }
        }
        if positions.is_empty() {
            continue;
        }
        engine.step(&positions, &mut logits);
        let mut rest = &logits[..];
        for p in &positions {
            let (own, after) = rest.split_at(VOCABULARIES[usize::from(p.layer)] as usize);
            all[p.row as usize].extend_from_slice(own);
            rest = after;
        }
        assert!(rest.is_empty());
    }
}

#[test]
fn every_kernel_batch_and_order_gives_the_same() {
    for (seed, shape) in shapes().into_iter().enumerate() {
        let model = load(&RandomCheckpoint::new(shape, seed as u64), &VOCABULARIES);
        let chunks = chunks(&[70, 1, 33, 100, 16], seed as u64);
        let expected = one_by_one(&model, Isa::new(Kernel::Scalar).unwrap(), &chunks);
        assert!(expected[0][..30] != expected[0][101..131]);
        for isa in isas() {
            assert!(one_by_one(&model, isa, &chunks) == expected, "{isa:?}, one by one");
            // The decoder's way: one position of every chunk.
            let found = together(&model, isa, &chunks, |left| (0..left.len()).map(|r| (r, 1)).collect());
            assert!(found == expected, "{isa:?}, side by side");
            // The encoder's: many positions of one chunk.
            let found = together(&model, isa, &chunks, |left| vec![(left.iter().position(|&n| n > 0).unwrap(), 64)]);
            assert!(found == expected, "{isa:?}, chunk by chunk");
            // Any mixture, a row's positions apart in the batch.
            let mut random = Random::new(3);
            let found = together(&model, isa, &chunks, |left| {
                let mut pick = || (random.below(left.len() as u32) as usize, 1 + random.below(9) as usize);
                (0..6).map(|_| pick()).collect()
            });
            assert!(found == expected, "{isa:?}, mixed");
        }
    }
}

/// With overflow checks on (dev profile), no arithmetic of the portable code overflows, and the SIMD code gives the same.
#[test]
fn extremes_saturate_and_agree() {
    for shape in shapes() {
        for seed in 0..8 {
            let (backbone, heads) = integer_model(&shape, &VOCABULARIES, seed, Extent::Extreme).unwrap();
            let model = SequenceLlama::from_bytes(&backbone, &heads).unwrap();
            let chunks = chunks(&[40, 5], seed);
            let expected = one_by_one(&model, Isa::new(Kernel::Scalar).unwrap(), &chunks);
            for isa in isas() {
                let found = together(&model, isa, &chunks, |left| (0..left.len()).map(|r| (r, 7)).collect());
                assert!(found == expected, "{isa:?}, seed {seed}");
            }
        }
    }
}

const GOLDEN: [&str; 5] =
    ["686aa563a73277b4", "15295b48d8f2d6de", "0633d6c684664e01", "9ff6c5e49b6227b9", "8147860bf629999c"];

/// The arithmetic is part of the file format: these digests change only with `docs/MODEL.md` and the format's version.
#[test]
fn golden_outputs() {
    let digest = |shape: &CheckpointShape, isa: Isa| {
        let mut sha = Sha256::new();
        for extent in [Extent::Usual, Extent::Extreme] {
            let (backbone, heads) = integer_model(shape, &VOCABULARIES, 2026, extent).unwrap();
            let model = SequenceLlama::from_bytes(&backbone, &heads).unwrap();
            let logits = one_by_one(&model, isa, &chunks(&[50], 2026));
            logits.iter().flatten().for_each(|l| sha.update(l.to_le_bytes()));
        }
        sha.finalize()[..8].iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    for isa in isas() {
        let found: Vec<String> = shapes().iter().map(|s| digest(s, isa)).collect();
        assert_eq!(found, GOLDEN, "{isa:?}");
    }
}

fn engine_of(model: &SequenceLlama) -> SequenceEngine<'_> {
    SequenceEngine::new(model, Isa::detect(), 2, 3, 4)
}

#[test]
fn sizes_are_known_beforehand() {
    let model = load(&RandomCheckpoint::new(small_shape(), 1), &VOCABULARIES);
    let bytes = |rows, len, batch| SequenceEngine::memory_bytes(&model, rows, len, batch);
    // 2 layers, one head of 16: a block of 32 positions takes 2·(32·16·2·2 + 32·8).
    assert_eq!(bytes(65, 32, 1) - bytes(64, 32, 1), 2 * (32 * 16 * 2 * 2 + 32 * 8) + size_of::<usize>());
    assert_eq!(bytes(usize::MAX, 256, 1), usize::MAX);
    let engine = engine_of(&model);
    assert_eq!((engine.rows(), engine.max_len(), engine.max_batch(), engine.len(1)), (2, 3, 4, 0));
    assert!(engine.is_empty(0) && engine.isa() == Isa::detect() && engine.model().sha256() == model.sha256());
}

#[test]
#[should_panic(expected = "is full")]
fn a_chunk_beyond_its_room_is_refused() {
    let model = load(&RandomCheckpoint::new(small_shape(), 1), &VOCABULARIES);
    let chunk = &chunks(&[4], 1)[0];
    let positions: Vec<_> = (0..4).map(|i| position(0, chunk, i)).collect();
    engine_of(&model).step(&positions, &mut Vec::new());
}

#[test]
#[should_panic(expected = "1..=256")]
fn more_than_the_context_is_refused() {
    let model = load(&RandomCheckpoint::new(small_shape(), 1), &VOCABULARIES);
    SequenceEngine::new(&model, Isa::detect(), 1, 257, 1);
}

#[test]
#[should_panic(expected = "at index 0")]
fn a_symbol_before_the_first_is_refused() {
    let model = load(&RandomCheckpoint::new(small_shape(), 1), &VOCABULARIES);
    engine_of(&model).step(&[Position { row: 0, previous: Some((0, 1)), layer: 0 }], &mut Vec::new());
}

#[test]
#[should_panic(expected = "symbol 1 of 1")]
fn a_symbol_outside_its_alphabet_is_refused() {
    let model = load(&RandomCheckpoint::new(small_shape(), 1), &VOCABULARIES);
    engine_of(&model).step(&[Position { row: 0, previous: Some((1, 1)), layer: 0 }], &mut Vec::new());
}
