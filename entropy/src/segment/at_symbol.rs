//! What happens at a symbol: it is written, read or counted. The walk is the same.

use super::SymbolKind;
use crate::coder::{BitCounter, Distribution, SymbolSink, SymbolSource};
use crate::secondary;

/// What happens at a symbol. `truth` is the value to write; the result is the value.
pub(super) trait SymbolCoder {
    fn symbol<const N: usize>(&mut self, kind: SymbolKind, distribution: &Distribution<N>, truth: usize) -> usize;
    fn raw(&mut self, truth: u32, count: u32) -> u32;
    /// A part of a symbol: yes or no, with the probability of yes in units of 1 / [`secondary::TOTAL`].
    fn answer(&mut self, kind: SymbolKind, p: u32, truth: bool) -> bool;

    /// The next symbols belong to the coefficient at this zigzag position.
    fn at(&mut self, _position: usize) {}
}

pub(super) struct Writing<'s, S>(pub(super) &'s mut S);

impl<S: SymbolSink> SymbolCoder for Writing<'_, S> {
    fn symbol<const N: usize>(&mut self, _: SymbolKind, distribution: &Distribution<N>, truth: usize) -> usize {
        distribution.encode(truth, self.0);
        truth
    }

    fn raw(&mut self, truth: u32, count: u32) -> u32 {
        self.0.bits(truth, count);
        truth
    }

    fn answer(&mut self, _: SymbolKind, p: u32, truth: bool) -> bool {
        let (cum, weight) = if truth { (0, p) } else { (p, secondary::TOTAL - p) };
        self.0.code(cum, weight, secondary::TOTAL);
        truth
    }
}

pub(super) struct Reading<'s, S>(pub(super) &'s mut S);

impl<S: SymbolSource> SymbolCoder for Reading<'_, S> {
    fn symbol<const N: usize>(&mut self, _: SymbolKind, distribution: &Distribution<N>, _: usize) -> usize {
        distribution.decode(self.0)
    }

    fn raw(&mut self, _: u32, count: u32) -> u32 {
        self.0.bits(count)
    }

    fn answer(&mut self, _: SymbolKind, p: u32, _: bool) -> bool {
        let answer = self.0.target(secondary::TOTAL) < p;
        let (cum, weight) = if answer { (0, p) } else { (p, secondary::TOTAL - p) };
        self.0.advance(cum, weight, secondary::TOTAL);
        answer
    }
}

/// Sorts bits by kind of symbol and position.
pub(super) struct Counting {
    pub(super) counters: [BitCounter; 4],
    pub(super) positions: [f64; 64],
    position: usize,
}

impl Counting {
    pub(super) fn new() -> Self {
        Self { counters: [BitCounter::new(); 4], positions: [0.0; 64], position: 0 }
    }

    fn count(&mut self, kind: SymbolKind, code: impl FnOnce(&mut BitCounter)) {
        let mut counter = BitCounter::new();
        code(&mut counter);
        self.counters[kind as usize].add(&counter);
        if kind != SymbolKind::Last {
            self.positions[self.position] += counter.bits();
        }
    }
}

impl SymbolCoder for Counting {
    fn symbol<const N: usize>(&mut self, kind: SymbolKind, distribution: &Distribution<N>, truth: usize) -> usize {
        self.count(kind, |counter| distribution.encode(truth, counter));
        truth
    }

    fn raw(&mut self, truth: u32, count: u32) -> u32 {
        self.count(SymbolKind::Escape, |counter| SymbolSink::bits(counter, truth, count));
        truth
    }

    fn answer(&mut self, kind: SymbolKind, p: u32, truth: bool) -> bool {
        self.count(kind, |counter| {
            Writing(counter).answer(kind, p, truth);
        });
        truth
    }

    fn at(&mut self, position: usize) {
        self.position = position;
    }
}
