//! How SSH writes values: lengths first, numbers with the highest bit clear.

/// Adds `bytes` with their length in front.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("keys are shorter than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Adds a positive number given as big-endian bytes: without leading zeros, but with one where the highest bit is set.
pub(super) fn put_number(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = &bytes[start..];
    let mut number = zeroize::Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        number.push(0);
    }
    number.extend_from_slice(bytes);
    put(out, &number);
}

/// Reads such values from the front.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// Takes bytes that have their length in front.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    /// Takes text that has its length in front.
    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Takes a number of four bytes.
    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// Takes a number of eight bytes.
    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// Takes exactly `expected`, when that comes next.
    pub(super) fn exactly(&mut self, expected: &[u8]) -> Option<()> {
        (self.take(expected.len())? == expected).then_some(())
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_positive_ones() {
        let written = |bytes: &[u8]| {
            let mut out = Vec::new();
            put_number(&mut out, bytes);
            out
        };
        assert_eq!(written(&[0, 0, 0x7f]), [0, 0, 0, 1, 0x7f]);
        assert_eq!(written(&[0x80]), [0, 0, 0, 2, 0, 0x80]);
        assert_eq!(written(&[0, 0]), [0, 0, 0, 0]);
    }

    #[test]
    fn a_length_beyond_the_end_reads_nothing() {
        assert_eq!(Reader(&[0xff, 0xff, 0xff, 0xff, 1]).bytes(), None);
        assert_eq!(Reader(&[0, 0, 0, 1, 7, 9]).bytes(), Some(&[7][..]));
    }
}
