//! The order in which a scan visits blocks, and the MCUs of its restart intervals (A.2, B.2.3).

use super::error::JpegError;
use super::frame::{ComponentLayout, FrameHeader};
use super::side::Scan;

/// The blocks of a scan in coding order.
pub(crate) struct ScanGeometry {
    components: Vec<ScanBlocks>,
    /// MCUs in a row.
    mcus_wide: usize,
    /// MCUs of the scan.
    pub mcus: usize,
    /// MCUs of a restart interval; all MCUs where restarts are off.
    pub interval: usize,
}

/// One component of a scan.
#[derive(Clone, Copy)]
struct ScanBlocks {
    /// Index into the frame's components.
    component: usize,
    /// Blocks of an MCU: across, down.
    h: usize,
    v: usize,
    /// Stored blocks in a row.
    stride: usize,
}

/// A block of an MCU.
#[derive(Clone, Copy)]
pub(crate) struct McuBlock {
    /// Position in the scan header.
    pub position: usize,
    /// Index into the frame's components.
    pub component: usize,
    /// Index of the block in the component.
    pub block: usize,
}

impl ScanGeometry {
    /// The geometry of `scan`, whose component indices must be in range.
    pub(crate) fn new(frame: &FrameHeader, layout: &[ComponentLayout], scan: &Scan, restart_interval: u16) -> Self {
        let single = scan.components.len() == 1;
        let components: Vec<ScanBlocks> = scan
            .components
            .iter()
            .map(|component| {
                let index = usize::from(component.index);
                let (h, v) = if single {
                    (1, 1)
                } else {
                    let c = &frame.components[index];
                    (usize::from(c.h), usize::from(c.v))
                };
                ScanBlocks { component: index, h, v, stride: layout[index].blocks_wide }
            })
            .collect();
        let (mcus_wide, mcus_high) = match components.first() {
            Some(only) if single => {
                let layout = &layout[only.component];
                (layout.scan_wide, layout.scan_high)
            }
            _ => frame.mcus(),
        };
        let mcus = mcus_wide * mcus_high;
        Self {
            components,
            mcus_wide,
            mcus,
            interval: match restart_interval {
                0 => mcus,
                n => usize::from(n).min(mcus),
            },
        }
    }

    /// Restart intervals of the whole scan.
    pub(crate) fn intervals(&self) -> usize {
        self.mcus.div_ceil(self.interval)
    }

    /// The MCUs of an interval.
    pub(crate) fn mcus_of(&self, interval: usize) -> std::ops::Range<usize> {
        let start = interval * self.interval;
        start..(start + self.interval).min(self.mcus)
    }

    /// Blocks of an MCU.
    pub(crate) fn blocks_per_mcu(&self) -> usize {
        self.components.iter().map(|c| c.h * c.v).sum()
    }

    /// Calls `visit` for the blocks of an MCU in coding order until it returns `false`; returns
    /// whether it never did.
    #[inline(always)]
    pub(crate) fn visit(&self, mcu: usize, mut visit: impl FnMut(McuBlock) -> bool) -> bool {
        let (row, column) = (mcu / self.mcus_wide, mcu % self.mcus_wide);
        for (position, c) in self.components.iter().enumerate() {
            for y in 0..c.v {
                let first = (row * c.v + y) * c.stride + column * c.h;
                for x in 0..c.h {
                    let block = McuBlock { position, component: c.component, block: first + x };
                    if !visit(block) {
                        return false;
                    }
                }
            }
        }
        true
    }
}

/// The coding procedure of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Procedure {
    /// Sequential: DC and AC of a block together (F.1.2).
    Sequential,
    /// First scan of DC (G.1.2.1).
    DcFirst,
    /// Further bit of DC (G.1.2.1).
    DcRefine,
    /// First scan of an AC band (G.1.2.2).
    AcFirst,
    /// Further bit of an AC band (G.1.2.3).
    AcRefine,
}

impl Procedure {
    /// The procedure of `scan`, after a check of its header; `offset` is used in errors.
    pub(crate) fn of(frame: &FrameHeader, scan: &Scan, offset: usize) -> Result<Self, JpegError> {
        let malformed = |what: String| Err(JpegError::malformed(offset, what));
        if scan.components.is_empty() || scan.components.len() > 4 {
            return malformed(format!("scan of {} components", scan.components.len()));
        }
        for (position, component) in scan.components.iter().enumerate() {
            if usize::from(component.index) >= frame.components.len() {
                return malformed(format!("scan of component index {}", component.index));
            }
            if component.dc_table > 3 || component.ac_table > 3 {
                return malformed(format!(
                    "scan uses Huffman tables {} and {}, 0..=3 exist",
                    component.dc_table, component.ac_table
                ));
            }
            let earlier = &scan.components[..position];
            if earlier.iter().any(|other| other.index == component.index) {
                return malformed("a component occurs twice in a scan".into());
            }
        }
        if !frame.is_progressive() {
            return Ok(Self::Sequential);
        }
        let (start, end) = (scan.spectral_start, scan.spectral_end);
        let (high, low) = (scan.approximation_high, scan.approximation_low);
        let band_exists = match start {
            0 => end == 0,
            _ => start <= end && end <= 63 && scan.components.len() == 1,
        };
        if !band_exists || low > 13 || (high != 0 && high != low + 1) {
            return malformed(format!(
                "progressive scan of {} components: band {start}..={end}, bits {high} to {low}",
                scan.components.len()
            ));
        }
        Ok(match (start, high) {
            (0, 0) => Self::DcFirst,
            (0, _) => Self::DcRefine,
            (_, 0) => Self::AcFirst,
            _ => Self::AcRefine,
        })
    }

    /// Whether the scan uses (DC, AC) Huffman tables.
    pub(crate) fn tables(self) -> (bool, bool) {
        match self {
            Self::Sequential => (true, true),
            Self::DcFirst => (true, false),
            Self::DcRefine => (false, false),
            Self::AcFirst | Self::AcRefine => (false, true),
        }
    }
}

/// libjpeg's bound on buffered correction bits: a run of EOBs ends when it has more
/// (`MAX_CORR_BITS - DCTSIZE2 + 1`).
pub(crate) const CORRECTION_LIMIT: u32 = 1000 - 64 + 1;
