//! Choice of the device that burn runs on.

pub use burn::tensor::Device;

/// The devices that `--device` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The CPU, through burn's flex backend.
    Cpu,
    /// The default GPU through wgpu.
    Wgpu,
}

impl std::str::FromStr for DeviceKind {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "cpu" => Ok(Self::Cpu),
            "wgpu" | "gpu" => Ok(Self::Wgpu),
            _ => Err(format!("unknown device {s:?}: expected cpu or wgpu")),
        }
    }
}

impl DeviceKind {
    /// Opens the device.
    ///
    /// # Errors
    /// A message if this build lacks the backend.
    pub fn open(self) -> Result<Device, String> {
        match self {
            #[cfg(feature = "flex")]
            Self::Cpu => Ok(Device::flex()),
            #[cfg(not(feature = "flex"))]
            Self::Cpu => Err("this build has no CPU backend: rebuild with the feature `finetune`".into()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => Err("this build has no GPU backend: rebuild with the feature `wgpu`".into()),
        }
    }
}
