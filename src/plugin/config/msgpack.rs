//! Reads msgpack that somebody else wrote.
//!
//! Takes what the agent's encoder can produce and nothing else: no extension types, no binary, no keys but text. Depth
//! and count of values are limited before anything is allocated for them, so that a few bytes that promise two thousand million
//! elements cost nothing.

/// Deepest nesting; our schemas need five.
const DEPTH_MAX: usize = 32;
/// Most values in one config.
const VALUES_MAX: usize = 50_000;

/// A value of a config.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A number that is not whole.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name, in the order of the wire.
    Map(Vec<(String, Value)>),
    /// Not given.
    Null,
    /// Text.
    Text(String),
}

/// Why the bytes are no config.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsgpackError {
    /// They end too early.
    #[error("the config's bytes end in the middle of a value")]
    Cut,
    /// One name stands twice in a map.
    #[error("the name {0:?} is given twice")]
    Double(String),
    /// A name is no text.
    #[error("a name is no text (byte {0})")]
    Key(usize),
    /// A byte begins no value that a config can hold.
    #[error("byte {at} (0x{marker:02x}) begins no value that a config can hold")]
    Marker {
        /// Where.
        at: usize,
        /// Which byte.
        marker: u8,
    },
    /// Text is not UTF-8.
    #[error("a text is not UTF-8 (byte {0})")]
    Text(usize),
    /// Nested too deep.
    #[error("values are nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// Too many values.
    #[error("more than {VALUES_MAX} values")]
    TooMany,
    /// Something follows.
    #[error("{0} bytes follow after the config")]
    Trailing(usize),
}

/// Reads one value that fills all of `bytes`.
///
/// # Errors
/// The bytes are not one msgpack value within the limits.
pub fn decode(bytes: &[u8]) -> Result<Value, MsgpackError> {
    let mut reader = Reader { bytes, at: 0, values: 0 };
    let value = reader.value(0)?;
    match bytes.len() - reader.at {
        0 => Ok(value),
        more => Err(MsgpackError::Trailing(more)),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Value, MsgpackError> {
        self.values += 1;
        if depth > DEPTH_MAX {
            return Err(MsgpackError::TooDeep);
        }
        if self.values > VALUES_MAX {
            return Err(MsgpackError::TooMany);
        }
        let at = self.at;
        let marker = self.number(1)? as u8;
        match marker {
            0x00..=0x7f => Ok(Value::Integer(i64::from(marker))),
            0x80..=0x8f => self.map(usize::from(marker & 0x0f), depth),
            0x90..=0x9f => self.list(usize::from(marker & 0x0f), depth),
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f)).map(Value::Text),
            0xc0 => Ok(Value::Null),
            0xc2 | 0xc3 => Ok(Value::Bool(marker == 0xc3)),
            0xca => Ok(Value::Float(f64::from(f32::from_bits(self.number(4)? as u32)))),
            0xcb => Ok(Value::Float(f64::from_bits(self.number(8)?))),
            0xcc..=0xcf => Ok(unsigned(self.number(1 << (marker - 0xcc))?)),
            0xd0..=0xd3 => self.signed(1 << (marker - 0xd0)),
            0xd9..=0xdb => self.length(1 << (marker - 0xd9)).and_then(|length| self.text(length)).map(Value::Text),
            0xdc | 0xdd => self.length(2 << (marker - 0xdc)).and_then(|length| self.list(length, depth)),
            0xde | 0xdf => self.length(2 << (marker - 0xde)).and_then(|length| self.map(length, depth)),
            0xe0..=0xff => Ok(Value::Integer(i64::from(marker as i8))),
            _ => Err(MsgpackError::Marker { at, marker }),
        }
    }

    fn list(&mut self, length: usize, depth: usize) -> Result<Value, MsgpackError> {
        self.promised(length)?;
        (0..length).map(|_| self.value(depth + 1)).collect::<Result<_, _>>().map(Value::List)
    }

    fn map(&mut self, length: usize, depth: usize) -> Result<Value, MsgpackError> {
        self.promised(length.saturating_mul(2))?;
        let mut pairs: Vec<(String, Value)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..length {
            let key = self.key()?;
            if !seen.insert(key.clone()) {
                return Err(MsgpackError::Double(key.chars().take(80).collect()));
            }
            pairs.push((key, self.value(depth + 1)?));
        }
        Ok(Value::Map(pairs))
    }

    fn key(&mut self) -> Result<String, MsgpackError> {
        let at = self.at;
        match self.number(1)? as u8 {
            fixed @ 0xa0..=0xbf => self.text(usize::from(fixed & 0x1f)),
            long @ 0xd9..=0xdb => self.length(1 << (long - 0xd9)).and_then(|length| self.text(length)),
            _ => Err(MsgpackError::Key(at)),
        }
    }

    /// Refuses a count of elements that the rest of the bytes cannot hold, a byte each at the least.
    fn promised(&self, elements: usize) -> Result<(), MsgpackError> {
        if elements > self.bytes.len() - self.at { Err(MsgpackError::Cut) } else { Ok(()) }
    }

    fn text(&mut self, length: usize) -> Result<String, MsgpackError> {
        let at = self.at;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| MsgpackError::Text(at))
    }

    fn signed(&mut self, width: usize) -> Result<Value, MsgpackError> {
        let unused = 64 - 8 * width;
        Ok(Value::Integer((self.number(width)? << unused) as i64 >> unused))
    }

    fn length(&mut self, width: usize) -> Result<usize, MsgpackError> {
        usize::try_from(self.number(width)?).map_err(|_| MsgpackError::Cut)
    }

    /// Reads a big-endian number of up to eight bytes.
    fn number(&mut self, width: usize) -> Result<u64, MsgpackError> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], MsgpackError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or(MsgpackError::Cut)?;
        self.at += length;
        Ok(taken)
    }
}

/// Keeps numbers beyond a signed 64-bit one as the float nearest to them; no option of ours is that large.
fn unsigned(number: u64) -> Value {
    i64::try_from(number).map_or(Value::Float(number as f64), Value::Integer)
}

impl Value {
    /// Names the kind, for messages; never the value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a bool",
            Self::Float(_) | Self::Integer(_) => "a number",
            Self::List(_) => "a list",
            Self::Map(_) => "a block",
            Self::Null => "nothing",
            Self::Text(_) => "a text",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex.replace(' ', "")).expect("hexadecimal")
    }

    #[test]
    fn what_an_agent_writes_is_read() {
        let mixed = bytes(
            "87 a7 61 64 64 72 65 73 73 ae 68 74 74 70 73 3a 2f 2f 76 3a 38 32 30 30 a4 63 61 70 73 92 a1 61 a1 62 a7 65 6e 61 \
             62 6c 65 64 c3 a3 6f 64 64 a3 30 2e 31 a5 72 61 74 69 6f cb 3f e0 00 00 00 00 00 00 a7 72 65 74 72 69 65 73 cd \
             01 2c a3 74 6c 73 c0",
        );
        let Ok(Value::Map(pairs)) = decode(&mixed) else { panic!("a map") };
        let shown: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={}", value.kind())).collect();
        let expected = [
            "address=a text",
            "caps=a list",
            "enabled=a bool",
            "odd=a text",
            "ratio=a number",
            "retries=a number",
            "tls=nothing",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn all_widths_of_whole_numbers_are_read() {
        for (hex, number) in [
            ("ff", -1),
            ("cc 80", 128),
            ("cd 01 2c", 300),
            ("ce 00 01 11 70", 70_000),
            ("d0 80", -128),
            ("d1 ff 00", -256),
            ("d2 80 00 00 00", -2_147_483_648),
            ("d3 ff ff ff ff ff ff ff fe", -2),
            ("cf 00 00 00 00 00 00 00 07", 7),
        ] {
            assert!(decode(&bytes(hex)) == Ok(Value::Integer(number)), "{hex}");
        }
    }

    #[test]
    fn hostile_bytes_are_refused_by_kind() {
        let refused = |hex: &str| decode(&bytes(hex)).err();
        assert_eq!(refused(""), Some(MsgpackError::Cut));
        assert_eq!(refused("dd ff ff ff ff"), Some(MsgpackError::Cut));
        assert_eq!(refused("df 7f ff ff ff a1 61 01"), Some(MsgpackError::Cut));
        assert_eq!(refused("db 80 00 00 00 61"), Some(MsgpackError::Cut));
        assert_eq!(refused("81 01 01"), Some(MsgpackError::Key(1)));
        assert_eq!(refused("82 a1 61 01 a1 61 02"), Some(MsgpackError::Double("a".into())));
        assert_eq!(refused("80 80"), Some(MsgpackError::Trailing(1)));
        assert_eq!(refused("d4 00 00"), Some(MsgpackError::Marker { at: 0, marker: 0xd4 }));
        assert_eq!(refused("a1 ff"), Some(MsgpackError::Text(1)));
        assert_eq!(decode(&[0x91; 10_000]).err(), Some(MsgpackError::TooDeep));
        assert_eq!(decode(&[&[0xdc, 0xff, 0xff][..], &[0xc0; 65_535]].concat()).err(), Some(MsgpackError::TooMany));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode(&bytes);
        }
    }
}
