//! Values that must not be printed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Text that is a secret: prints dots, is overwritten when dropped.
///
/// Serialising writes the value in clear, because the record on the task's tmpfs needs it; nothing else may serialise one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretString(Zeroizing<String>);

/// Bytes that are a secret: prints its length only, is overwritten when dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretString {
    /// Takes `value` into custody.
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// Gives the value for the one place that needs it: a request, a file.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretBytes {
    /// Takes `value` into custody.
    pub fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// Gives the value for the one place that needs it: a request, a file.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<SecretString> for SecretBytes {
    fn from(value: SecretString) -> Self {
        Self::new(value.expose().as_bytes())
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(value: Zeroizing<Vec<u8>>) -> Self {
        Self(value)
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…({} bytes)", self.0.len())
    }
}

impl Serialize for SecretString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for SecretString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Written as hexadecimal text, so that a record stays one readable JSON document.
impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(self.expose())))
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        hex::decode(text.as_str()).map(Self::new).map_err(|_| serde::de::Error::custom("not hexadecimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?} {:?}", SecretString::new("hunter2"), SecretBytes::new(*b"hunter2"));
        assert_eq!(shown, "… …(7 bytes)");
    }

    #[test]
    fn no_secret_can_be_displayed() {
        use std::{fmt::Display, marker::PhantomData};

        /// Whether a type has `Display`: what is said of the type itself goes before what holds of all types.
        trait Shown {
            const SHOWN: bool = false;
        }
        struct Probe<T>(PhantomData<T>);
        impl<T> Shown for Probe<T> {}
        impl<T: Display> Probe<T> {
            const SHOWN: bool = true;
        }
        const { assert!(Probe::<String>::SHOWN) };
        const { assert!(!Probe::<SecretString>::SHOWN && !Probe::<SecretBytes>::SHOWN) };
    }

    #[test]
    fn a_secret_is_overwritten_when_it_is_dropped() {
        fn is_overwritten(_: &impl zeroize::ZeroizeOnDrop) {}
        is_overwritten(&SecretString::default().0);
        is_overwritten(&SecretBytes::default().0);
    }

    #[test]
    fn bytes_survive_the_record() {
        let bytes = SecretBytes::new(vec![0, 255, 10]);
        let text = serde_json::to_string(&bytes).expect("bytes serialise");
        assert_eq!(serde_json::from_str::<SecretBytes>(&text).expect("and come back"), bytes);
    }
}
