//! From the shape of an array to the order in which its codes are coded, and back.

use lmcodec_entropy::adaptive::{CodeLayout, MAX_LAYERS};

use crate::container::CodeMedium;
use crate::options::CodesMedium;

/// The order of an array's symbols: grids row by row, or stacks step by step with layer 0 first; the digits of a code, where it
/// has several symbols, side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodingOrder {
    layout: CodeLayout,
    /// Symbols of a code, at least 1.
    digits: usize,
    /// The array has […, layers, steps].
    layers_first: bool,
}

impl CodingOrder {
    /// The order for an array of some shape, whose codes have so many symbols. Arrays of one dimension are one row, or one layer.
    pub(crate) fn new(medium: &CodesMedium, shape: &[usize], digits: usize) -> Result<Self, String> {
        let (last, last_but_one) = match *shape {
            [] => (1, 1),
            [only] => match medium {
                CodesMedium::Vq { .. } => (only, 1),
                CodesMedium::Rvq { .. } => (1, only),
            },
            [.., last_but_one, last] => (last, last_but_one),
        };
        // Empty arrays have no codes, so that any layout does.
        let [last, last_but_one] = [last, last_but_one].map(|dimension| dimension.max(1));
        match *medium {
            CodesMedium::Vq { grid } => {
                let (height, width) = grid.unwrap_or((last_but_one, last));
                let count = if shape.contains(&0) { 0 } else { shape.iter().product::<usize>() };
                match height.checked_mul(width).filter(|area| area.checked_mul(digits).is_some()) {
                    Some(0) | None => Err(format!("a grid of {height}x{width}")),
                    Some(area) if count % area != 0 => {
                        Err(format!("grids of {height}x{width} do not divide {count} codes of shape {shape:?}"))
                    }
                    _ => {
                        let layout = CodeLayout::Grids { height, width: width * digits };
                        Ok(Self { layout, digits, layers_first: false })
                    }
                }
            }
            CodesMedium::Rvq { layers_first } => {
                let layers_first = layers_first && shape.len() > 1;
                let (steps, layers) = if layers_first { (last, last_but_one) } else { (last_but_one, last) };
                let most = MAX_LAYERS / digits;
                if layers > most {
                    let hint = if layers_first { "" } else { "; are the layers the first dimension (--layers-first)?" };
                    return Err(format!("{layers} layers in shape {shape:?}, at most {most}{hint}"));
                }
                Ok(Self { layout: CodeLayout::Stacks { steps, layers: layers * digits }, digits, layers_first })
            }
        }
    }

    pub(crate) fn layout(&self) -> CodeLayout {
        self.layout
    }

    /// As the header says it.
    pub(crate) fn medium(&self) -> CodeMedium {
        match self.grid() {
            Some((height, width)) => CodeMedium::Vq { height: height as u64, width: width as u64 },
            None => CodeMedium::Rvq { layers_first: self.layers_first },
        }
    }

    /// Rows and columns of a grid of codes.
    pub(crate) fn grid(&self) -> Option<(usize, usize)> {
        match self.layout {
            CodeLayout::Grids { height, width } => Some((height, width / self.digits)),
            CodeLayout::Stacks { .. } => None,
        }
    }

    /// Layers of a stack of codes; 1 for grids.
    pub(crate) fn layers(&self) -> usize {
        match self.layout {
            CodeLayout::Grids { .. } => 1,
            CodeLayout::Stacks { layers, .. } => layers / self.digits,
        }
    }

    /// Symbols of a code.
    pub(crate) fn digits(&self) -> usize {
        self.digits
    }

    /// Symbols after which the vocabularies repeat.
    pub(crate) fn period(&self) -> usize {
        self.layers() * self.digits
    }

    /// The layer of a code at a position in the array (C order).
    pub(crate) fn layer_of(&self, place: usize) -> usize {
        match self.layout {
            CodeLayout::Grids { .. } => 0,
            CodeLayout::Stacks { steps, .. } if self.layers_first => place / steps % self.layers(),
            CodeLayout::Stacks { .. } => place % self.layers(),
        }
    }

    /// The place in the array (C order) of the code that is coded at some index: one code of [`scatter`](Self::scatter).
    pub(crate) fn place(&self, index: usize) -> usize {
        match self.layout {
            CodeLayout::Stacks { steps, .. } if self.layers_first => {
                let layers = self.layers();
                let (step, layer) = (index / layers, index % layers);
                (step / steps * layers + layer) * steps + step % steps
            }
            _ => index,
        }
    }

    /// Symbols in C order → coding order.
    pub(crate) fn gather(&self, symbols: Vec<u16>) -> Vec<u16> {
        match self.layout {
            CodeLayout::Stacks { steps, .. } if self.layers_first => self.transpose(&symbols, self.layers(), steps),
            _ => symbols,
        }
    }

    /// The inverse of [`gather`](Self::gather).
    pub(crate) fn scatter(&self, symbols: Vec<u16>) -> Vec<u16> {
        match self.layout {
            CodeLayout::Stacks { steps, .. } if self.layers_first => self.transpose(&symbols, steps, self.layers()),
            _ => symbols,
        }
    }

    /// Transposes matrices of `rows` × `columns` codes that follow one another.
    fn transpose(&self, symbols: &[u16], rows: usize, columns: usize) -> Vec<u16> {
        let (digits, mut out) = (self.digits, Vec::with_capacity(symbols.len()));
        for matrix in symbols.chunks_exact(rows * columns * digits) {
            for column in 0..columns {
                let codes = matrix.chunks_exact(digits).skip(column).step_by(columns);
                codes.for_each(|code| out.extend_from_slice(code));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let vq = |shape: &[usize], grid| CodingOrder::new(&CodesMedium::Vq { grid }, shape, 1).map(|o| o.layout());
        let rvq = |shape: &[usize], layers_first| {
            CodingOrder::new(&CodesMedium::Rvq { layers_first }, shape, 1).map(|o| o.layout())
        };
        assert_eq!(vq(&[8, 16], None), Ok(CodeLayout::Grids { height: 8, width: 16 }));
        assert_eq!(vq(&[5, 8, 16], None), Ok(CodeLayout::Grids { height: 8, width: 16 }));
        assert_eq!(vq(&[5, 128], Some((8, 16))), Ok(CodeLayout::Grids { height: 8, width: 16 }));
        assert_eq!(vq(&[7], None), Ok(CodeLayout::Grids { height: 1, width: 7 }));
        assert_eq!(vq(&[0, 3], None), Ok(CodeLayout::Grids { height: 1, width: 3 }));
        assert!(vq(&[5, 128], Some((9, 16))).expect_err("9·16").contains("do not divide 640 codes"));
        assert!(vq(&[5], Some((0, 16))).is_err());
        assert!(vq(&[5], Some((usize::MAX, 16))).is_err());
        assert_eq!(rvq(&[50, 8], false), Ok(CodeLayout::Stacks { steps: 50, layers: 8 }));
        assert_eq!(rvq(&[3, 8, 50], true), Ok(CodeLayout::Stacks { steps: 50, layers: 8 }));
        assert_eq!(rvq(&[50], true), Ok(CodeLayout::Stacks { steps: 50, layers: 1 }));
        assert!(rvq(&[8, 5000], false).expect_err("layers").contains("first dimension"));
    }

    #[test]
    fn layers_first_is_transposed() {
        let order = CodingOrder::new(&CodesMedium::Rvq { layers_first: true }, &[2, 2, 3], 1).expect("fits");
        let codes: Vec<u16> = (0..12).collect();
        let symbols = order.gather(codes.clone());
        assert_eq!(symbols, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        assert_eq!(order.scatter(symbols.clone()), codes);
        for (index, &symbol) in symbols.iter().enumerate() {
            assert_eq!(codes[order.place(index)], symbol);
        }
        assert_eq!([0, 2, 3, 6, 11].map(|place| order.layer_of(place)), [0, 0, 1, 0, 1]);
    }

    #[test]
    fn digits_stay_together() {
        let order = CodingOrder::new(&CodesMedium::Rvq { layers_first: true }, &[2, 3], 2).expect("fits");
        assert_eq!((order.layout(), order.layers()), (CodeLayout::Stacks { steps: 3, layers: 4 }, 2));
        let codes: Vec<u16> = (0..12).collect();
        let symbols = order.gather(codes.clone());
        assert_eq!(symbols, [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
        assert_eq!(order.scatter(symbols), codes);
        assert_eq!([0, 1, 2].map(|index| order.place(index)), [0, 3, 1]);
        let order = CodingOrder::new(&CodesMedium::Vq { grid: None }, &[2, 3], 2).expect("fits");
        assert_eq!((order.layout(), order.grid()), (CodeLayout::Grids { height: 2, width: 6 }, Some((2, 3))));
        assert!(CodingOrder::new(&CodesMedium::Rvq { layers_first: false }, &[9, 600], 2).is_err());
    }
}
