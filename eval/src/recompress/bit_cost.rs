//! Where the bits of a coded file go: by component and by coefficient.

use serde::{Deserialize, Serialize};

/// Ideal code lengths in bits, of one file or summed over files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BitCost {
    /// The components in the order of the file.
    pub components: Vec<ComponentCost>,
    /// Bits of markers, tables and metadata.
    pub side_information: f64,
}

/// The bits of one component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ComponentCost {
    /// Name, such as `Y`.
    pub name: String,
    /// Bits that say which coefficient of a block is the last nonzero one.
    pub last: f64,
    /// 64 sums by zigzag position, the DC first.
    pub positions: Vec<f64>,
}

impl ComponentCost {
    /// All bits of the component.
    pub fn total(&self) -> f64 {
        self.last + self.positions.iter().sum::<f64>()
    }
}

impl BitCost {
    /// Adds the cost of another file; components go by their place, and the first file's names stay.
    pub fn add(&mut self, other: &Self) {
        self.side_information += other.side_information;
        for (index, component) in other.components.iter().enumerate() {
            match self.components.get_mut(index) {
                Some(sum) => {
                    sum.last += component.last;
                    sum.positions.iter_mut().zip(&component.positions).for_each(|(sum, bits)| *sum += bits);
                }
                None => self.components.push(component.clone()),
            }
        }
    }

    /// All bits.
    pub fn total(&self) -> f64 {
        self.side_information + self.components.iter().map(ComponentCost::total).sum::<f64>()
    }
}

/// Column and row of every zigzag position in its block (ITU-T T.81, figure 5).
pub fn zigzag_places() -> [(usize, usize); 64] {
    let mut places = [(0, 0); 64];
    let (mut x, mut y) = (0usize, 0usize);
    for place in &mut places {
        *place = (x, y);
        let up = (x + y) % 2 == 0;
        (x, y) = match (up, x, y) {
            (true, 7, _) => (x, y + 1),
            (true, _, 0) => (x + 1, y),
            (true, ..) => (x + 1, y - 1),
            (false, _, 7) => (x + 1, y),
            (false, 0, _) => (x, y + 1),
            (false, ..) => (x - 1, y + 1),
        };
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zigzag_is_that_of_the_standard() {
        let natural: Vec<usize> = zigzag_places().iter().map(|(x, y)| 8 * y + x).collect();
        assert_eq!(natural[..16], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5]);
        assert_eq!(natural[56..], [53, 60, 61, 54, 47, 55, 62, 63]);
        let mut sorted = natural;
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, &n)| i == n));
    }

    #[test]
    fn sums_files_by_component() {
        let one = |bits| ComponentCost { name: "Y".into(), last: 1.0, positions: vec![bits; 64] };
        let mut sum = BitCost { components: vec![one(1.0)], side_information: 8.0 };
        sum.add(&BitCost { components: vec![one(2.0), one(0.5)], side_information: 16.0 });
        assert_eq!(sum.components[0].total(), 2.0 + 64.0 * 3.0);
        assert_eq!(sum.total(), 24.0 + 194.0 + 33.0);
    }
}
