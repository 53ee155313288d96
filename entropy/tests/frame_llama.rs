//! The engine gives the same integers for every kernel, batch size and order of frames.

use lmcodec_entropy::frame_llama::testing::{ModelWriter, Weights, default_config, random_model, small_config};
use lmcodec_entropy::frame_llama::{
    DepthState, ESCAPES, FrameConfig, FrameEngine, FrameLlama, LAST_SYMBOLS, PRIMARIES, PlaneState, Position,
};
use lmcodec_entropy::isa::{Isa, Kernel};
use lmcodec_entropy::testing::Random;
use sha2::{Digest, Sha256};

fn isas() -> Vec<Isa> {
    Kernel::available().into_iter().map(|k| Isa::new(k).unwrap()).collect()
}

fn configs() -> Vec<FrameConfig> {
    let wide = FrameConfig {
        features: 64,
        d_model: 512,
        heads: 16,
        layers: 1,
        ffn: 1024,
        depth_d: 128,
        depth_heads: 4,
        depth_layers: 1,
        depth_ffn: 176,
        depth_state: true,
        ..default_config()
    };
    vec![small_config(), FrameConfig { features: 131, layers: 2, ..default_config() }, wide]
}

/// Position-dependent features, so that every order of evaluation sees the same inputs.
fn features_at(p: Position, n: usize) -> Vec<i16> {
    let seed = u64::from(p.plane) << 40 | u64::from(p.row) << 20 | u64::from(p.column);
    Random::new(seed ^ 0x5eed).features(n)
}

/// The wavefront's batches: row r runs two columns behind row r − 1; planes side by side.
fn wavefront(planes: &[(u32, u32)]) -> Vec<Vec<Position>> {
    let steps = planes.iter().map(|&(rows, columns)| columns + 2 * rows).max().unwrap();
    let batch = |t: u32| {
        let mut batch = Vec::new();
        for (plane, &(rows, columns)) in planes.iter().enumerate() {
            for row in 0..rows {
                if let Some(column) = t.checked_sub(2 * row).filter(|&c| c < columns) {
                    batch.push(Position { plane: plane as u32, row, column });
                }
            }
        }
        batch
    };
    (0..steps).map(batch).filter(|b| !b.is_empty()).collect()
}

/// Runs batches of at most `size` and gives each position's h, sorted by position.
fn run(
    model: &FrameLlama,
    isa: Isa,
    states: &mut [PlaneState],
    batches: &[Vec<Position>],
    size: usize,
) -> Vec<(Position, Vec<i16>)> {
    let (f, d) = (model.config().features, model.config().d_model);
    let mut engine = FrameEngine::new(model, isa, size);
    let mut results = Vec::new();
    for batch in batches.iter().flat_map(|b| b.chunks(size)) {
        let features: Vec<i16> = batch.iter().flat_map(|&p| features_at(p, f)).collect();
        let mut h = vec![0; batch.len() * d];
        engine.backbone(states, batch, &features, &mut h);
        results.extend(batch.iter().copied().zip(h.chunks(d).map(<[i16]>::to_vec)));
    }
    results.sort_by_key(|(p, _)| (p.plane, p.row, p.column));
    results
}

#[test]
fn backbone_is_the_same_in_every_order_batch_and_kernel() {
    for (seed, config) in configs().into_iter().enumerate() {
        let model = FrameLlama::from_bytes(&random_model(&config, seed as u64)).unwrap();
        let planes = [(9u32, 40u32), (3, 7), (1, 1), (2, 20)];
        let states = |make: fn(&FrameConfig, usize, usize) -> PlaneState| -> Vec<PlaneState> {
            planes.iter().map(|&(r, c)| make(&config, r as usize, c as usize)).collect()
        };
        let front = wavefront(&planes);
        let mut raster: Vec<Position> = front.concat();
        raster.sort_by_key(|p| (p.plane, p.row, p.column));
        let one_by_one: Vec<Vec<Position>> = raster.into_iter().map(|p| vec![p]).collect();

        let scalar = Isa::new(Kernel::Scalar).unwrap();
        let expected = run(&model, scalar, &mut states(PlaneState::raster), &one_by_one, 1);
        assert!(expected.iter().any(|(_, h)| h != &expected[0].1));
        for isa in isas() {
            for size in [1, 2, 7, 64] {
                let found = run(&model, isa, &mut states(PlaneState::wavefront), &front, size);
                assert!(found == expected, "{isa:?}, batches of {size}");
            }
            let mut used = states(PlaneState::wavefront);
            run(&model, isa, &mut used, &front, 32);
            for (state, &(r, c)) in used.iter_mut().zip(&planes) {
                state.reset(r as usize, c as usize);
            }
            assert!(run(&model, isa, &mut used, &front, 32) == expected, "{isa:?}, reused state");
        }
    }
}

/// Everything that the frames' heads give, in one list.
fn frame_outputs(model: &FrameLlama, isa: Isa, frames: usize, size: usize, extreme: bool) -> Vec<Vec<i32>> {
    let c = model.config();
    let draw = |seed: u64, n: usize| -> Vec<i16> {
        let mut random = Random::new(seed);
        if extreme {
            (0..n).map(|_| [i16::MIN, i16::MAX][random.below(2) as usize]).collect()
        } else {
            random.features(n)
        }
    };
    let mut engine = FrameEngine::new(model, isa, size);
    let mut state = DepthState::new(c, size);
    let mut outputs = vec![Vec::new(); frames];
    let all: Vec<usize> = (0..frames).collect();
    for batch in all.chunks(size) {
        let m = batch.len();
        let h: Vec<i16> = batch.iter().flat_map(|&i| draw(1000 + i as u64, c.d_model)).collect();
        let last: Vec<u8> = batch.iter().map(|&i| (i * 37 % 64) as u8).collect();
        let mut logits = vec![0; m * LAST_SYMBOLS];
        engine.last_logits(&h, &mut logits);
        batch.iter().zip(logits.chunks(LAST_SYMBOLS)).for_each(|(&i, l)| outputs[i].extend(l));
        engine.depth_begin(&mut state, &h, &last);
        for k in 1..=63usize {
            let active: Vec<u32> = (0..m as u32).filter(|&i| usize::from(last[i as usize]) >= k).collect();
            if active.is_empty() {
                break;
            }
            let seed = |i: u32| (batch[i as usize] * 64 + k) as u64;
            let features: Vec<i16> = active.iter().flat_map(|&i| draw(seed(i), c.depth_features)).collect();
            let prev: Vec<u8> = active.iter().map(|&i| if k == 1 { 31 } else { (seed(i) * 7 % 31) as u8 }).collect();
            let mut logits = vec![0; active.len() * PRIMARIES];
            engine.depth_step(&mut state, &active, k, &features, &prev, &mut logits);
            for (slot, (&i, l)) in active.iter().zip(logits.chunks(PRIMARIES)).enumerate() {
                let mut escapes = [0; ESCAPES];
                engine.ac_escape_logits(&state, slot, &mut escapes);
                let mut weights = [0; PRIMARIES];
                let total = isa.symbol_weights(l, 1 << 31 | 1 << (k % 31), &mut weights);
                let output = &mut outputs[batch[i as usize]];
                output.extend(l.iter().chain(&escapes));
                output.extend(weights.iter().map(|&w| w as i32).chain([total as i32]));
            }
        }
        let features: Vec<i16> = batch.iter().flat_map(|&i| draw(90_000 + i as u64, c.dc_features)).collect();
        let mut logits = vec![0; m * PRIMARIES];
        engine.dc(&h, &last, &features, &mut logits);
        for (slot, (&i, l)) in batch.iter().zip(logits.chunks(PRIMARIES)).enumerate() {
            let mut escapes = [0; ESCAPES];
            engine.dc_escape_logits(slot, &mut escapes);
            outputs[i].extend(l.iter().chain(&escapes));
        }
    }
    outputs
}

#[test]
fn heads_and_depth_are_the_same_in_every_batch_and_kernel() {
    for (seed, config) in configs().into_iter().enumerate() {
        let model = FrameLlama::from_bytes(&random_model(&config, 77 + seed as u64)).unwrap();
        let expected = frame_outputs(&model, Isa::new(Kernel::Scalar).unwrap(), 64, 1, false);
        for isa in isas() {
            for size in [1, 2, 7, 32, 64] {
                assert!(frame_outputs(&model, isa, 64, size, false) == expected, "{isa:?}, batches of {size}");
            }
        }
    }
}

/// The greatest weights, multipliers, biases and inputs that the loader lets through: with overflow checks on (dev
/// profile), no arithmetic of the portable code overflows, and the SIMD code gives the same.
#[test]
fn extremes_saturate_and_agree() {
    for config in configs() {
        for seed in 0..6 {
            let bytes = ModelWriter::random(&config, seed, Weights::Extreme).to_bytes();
            let model = FrameLlama::from_bytes(&bytes).unwrap();
            let scalar = Isa::new(Kernel::Scalar).unwrap();
            let expected = frame_outputs(&model, scalar, 9, 9, true);
            let (f, d) = (config.features, config.d_model);
            let positions: Vec<Vec<Position>> = wavefront(&[(4, 12)]);
            let extreme_run = |isa| {
                let mut state = [PlaneState::wavefront(&config, 4, 12)];
                let mut engine = FrameEngine::new(&model, isa, 4);
                let mut random = Random::new(seed);
                let mut all = Vec::new();
                for batch in &positions {
                    let features: Vec<i16> =
                        (0..batch.len() * f).map(|_| [i16::MIN, i16::MAX][random.below(2) as usize]).collect();
                    let mut h = vec![0; batch.len() * d];
                    engine.backbone(&mut state, batch, &features, &mut h);
                    all.extend(h);
                }
                all
            };
            let expected_h = extreme_run(scalar);
            for isa in isas() {
                assert!(frame_outputs(&model, isa, 9, 9, true) == expected, "{isa:?}");
                assert!(extreme_run(isa) == expected_h, "{isa:?}");
            }
        }
    }
}

/// The arithmetic is part of the file format: these digests change only with `docs/MODEL.md` and the format's version.
#[test]
fn golden_outputs() {
    let digest = |config: FrameConfig, isa: Isa| {
        let model = FrameLlama::from_bytes(&random_model(&config, 2026)).unwrap();
        let mut state = [PlaneState::wavefront(&config, 4, 30)];
        let h = run(&model, isa, &mut state, &wavefront(&[(4, 30)]), 4);
        let mut sha = Sha256::new();
        h.iter().flat_map(|(_, h)| h).for_each(|h| sha.update(h.to_le_bytes()));
        let outputs = frame_outputs(&model, isa, 16, 16, false);
        outputs.iter().flatten().for_each(|x| sha.update(x.to_le_bytes()));
        sha.finalize()[..8].iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    for isa in isas() {
        let with_state = FrameConfig { depth_state: true, ..small_config() };
        let found = [small_config(), default_config(), with_state].map(|config| digest(config, isa));
        assert_eq!(found, ["4b04240e6aeaf48d", "ad4aaed75a832103", "f331b2d2f302f4e8"], "{isa:?}");
    }
}

#[test]
#[should_panic(expected = "not ready")]
fn a_frame_before_its_window_is_refused() {
    let config = small_config();
    let model = FrameLlama::from_bytes(&random_model(&config, 1)).unwrap();
    let mut engine = FrameEngine::new(&model, Isa::detect(), 1);
    let mut state = [PlaneState::wavefront(&config, 2, 4)];
    let mut h = vec![0; config.d_model];
    let second_row = Position { plane: 0, row: 1, column: 0 };
    engine.backbone(&mut state, &[second_row], &vec![0; config.features], &mut h);
}

#[test]
#[should_panic(expected = "too far ahead")]
fn a_row_that_ran_away_is_refused() {
    let config = small_config();
    let model = FrameLlama::from_bytes(&random_model(&config, 1)).unwrap();
    let mut state = [PlaneState::wavefront(&config, 2, 40)];
    let row = (0..17).map(|column| vec![Position { plane: 0, row: 0, column }]);
    let batches: Vec<_> = row.chain([vec![Position { plane: 0, row: 1, column: 0 }]]).collect();
    run(&model, Isa::detect(), &mut state, &batches, 1);
}
