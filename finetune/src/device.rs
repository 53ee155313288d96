//! Choice of the device that burn runs on.

pub use burn::tensor::Device;

/// A device that `--device` names: `cpu`, `wgpu` (the default GPU) or `wgpu:N` (the N-th discrete GPU, from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The CPU, through burn's flex backend.
    Cpu,
    /// The default GPU through wgpu.
    Wgpu,
    /// The discrete GPU with this index through wgpu.
    DiscreteWgpu(usize),
}

impl std::str::FromStr for DeviceKind {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "cpu" => Ok(Self::Cpu),
            "wgpu" | "gpu" => Ok(Self::Wgpu),
            _ => s
                .strip_prefix("wgpu:")
                .and_then(|index| index.parse().ok())
                .map(Self::DiscreteWgpu)
                .ok_or_else(|| format!("unknown device {s:?}: expected cpu, wgpu or wgpu:N")),
        }
    }
}

impl DeviceKind {
    /// Opens the device.
    ///
    /// # Errors
    /// A message if this build lacks the backend, or the machine has no such GPU.
    pub fn open(self) -> Result<Device, String> {
        match self {
            #[cfg(feature = "flex")]
            Self::Cpu => Ok(Device::flex()),
            #[cfg(not(feature = "flex"))]
            Self::Cpu => Err("this build has no CPU backend: rebuild with the feature `finetune`".into()),
            #[cfg(feature = "wgpu")]
            Self::Wgpu => open_wgpu(None),
            #[cfg(feature = "wgpu")]
            Self::DiscreteWgpu(index) => open_wgpu(Some(index)),
            #[cfg(not(feature = "wgpu"))]
            _ => Err("this build has no GPU backend: rebuild with the feature `wgpu`".into()),
        }
    }
}

/// The default GPU, or the discrete one with an index. burn opens devices at their first use, and panics there if it cannot: what
/// is missing is better said here.
#[cfg(feature = "wgpu")]
fn open_wgpu(discrete: Option<usize>) -> Result<Device, String> {
    use burn::tensor::{DeviceKind, DeviceType};
    let found = Device::enumerate(DeviceType::Wgpu);
    if found.is_empty() {
        return Err("no graphics adapter that wgpu can use was found: no GPU, or no driver for it".into());
    }
    let Some(index) = discrete else { return Ok(Device::wgpu(DeviceKind::DefaultDevice)) };
    let device = Device::wgpu(DeviceKind::DiscreteGpu(index));
    if !found.contains(&device) {
        return Err(format!("there is no discrete GPU {index}; wgpu found {found:?}"));
    }
    Ok(device)
}

/// Opens the devices of a list such as `wgpu:0,wgpu:1`, the first of which keeps what is trained. (`cpu,cpu` is two replicas on
/// one processor: of use for tests alone.)
///
/// # Errors
/// A message if a name is unknown or this build lacks the backend.
pub fn open_all(list: &str) -> Result<Vec<Device>, String> {
    list.split(',').map(|name| name.trim().parse::<DeviceKind>()?.open()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named() {
        let kind = |s: &str| s.parse::<DeviceKind>();
        assert_eq!((kind("cpu"), kind("wgpu")), (Ok(DeviceKind::Cpu), Ok(DeviceKind::Wgpu)));
        assert_eq!(kind("wgpu:3"), Ok(DeviceKind::DiscreteWgpu(3)));
        for wrong in ["", "cuda", "wgpu:", "wgpu:-1", "wgpu:x"] {
            assert!(kind(wrong).is_err_and(|message| message.contains("expected cpu, wgpu or wgpu:N")), "{wrong}");
        }
        assert!(open_all("cpu,tpu").is_err());
        #[cfg(feature = "flex")]
        assert_eq!(open_all("cpu, cpu").expect("devices").len(), 2);
    }
}
