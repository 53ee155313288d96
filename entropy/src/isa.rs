//! The choice of an instruction set: [`Kernel`] names one, [`Isa`] proves that this processor has it, and `dispatch!` goes
//! by it to a function. Nothing else in this crate asks what the processor can do, so a chosen kernel is obeyed everywhere.

use crate::error::KernelUnavailable;

/// A family of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Portable Rust; runs everywhere and is the specification.
    Scalar,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL and VNNI.
    Avx512Vnni,
    /// AArch64 with NEON.
    Neon,
}

impl Kernel {
    /// The fastest kernel of this processor.
    pub fn detect() -> Self {
        Self::available().last().copied().unwrap_or(Self::Scalar)
    }

    /// The kernels that this processor runs, slowest first.
    pub fn available() -> Vec<Self> {
        [Self::Scalar, Self::Avx2, Self::Avx512Vnni, Self::Neon].into_iter().filter(|k| k.is_available()).collect()
    }

    /// Whether this processor runs the kernel.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512vnni")
            }
            Self::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512Vnni => false,
        }
    }

    /// The kernel's name: `scalar`, `avx2`, `avx512-vnni`, `neon`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Neon => "neon",
        }
    }
}

/// A kernel that is known to run on this processor: the only way to the SIMD code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Kernel);

impl Isa {
    /// The fastest kernel of this processor.
    pub fn detect() -> Self {
        Self(Kernel::detect())
    }

    /// A given kernel.
    ///
    /// # Errors
    /// [`KernelUnavailable`] if this processor does not run it.
    pub fn new(kernel: Kernel) -> Result<Self, KernelUnavailable> {
        if kernel.is_available() { Ok(Self(kernel)) } else { Err(KernelUnavailable { name: kernel.name() }) }
    }

    /// The kernel.
    pub fn kernel(self) -> Kernel {
        self.0
    }
}

/// Calls a kernel function by its name in the module of the kernel.
macro_rules! dispatch {
    ($isa:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $isa.kernel() {
            // SAFETY: an `Isa` is only made by `Isa::new`, after `Kernel::is_available` found the target features.
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Kernel::Avx2 => unsafe { avx2::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Kernel::Avx512Vnni => unsafe { avx512::$function($($argument),*) },
            #[cfg(target_arch = "aarch64")]
            $crate::isa::Kernel::Neon => neon::$function($($argument),*),
            _ => portable::$function($($argument),*),
        }
    };
}
pub(crate) use dispatch;
