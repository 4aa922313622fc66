//! The few kinds of DER that key stores are made of, written from the inside out.

/// Returns a value with its tag and length before it.
pub(super) fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match contents.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let digits: Vec<u8> = long.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | digits.len() as u8);
            out.extend(digits);
        }
    }
    out.extend_from_slice(contents);
    out
}

/// Returns `parts` one after the other in a SEQUENCE.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

/// Returns `parts` as a SET, in the order that DER wants.
pub(super) fn set(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    tagged(0x31, &parts.concat())
}

/// Returns `contents` behind the explicit tag `[0]`.
pub(super) fn explicit(contents: &[u8]) -> Vec<u8> {
    tagged(0xa0, contents)
}

/// Returns bytes as an OCTET STRING.
pub(super) fn octets(contents: &[u8]) -> Vec<u8> {
    tagged(0x04, contents)
}

/// Returns a number that is not negative.
pub(super) fn integer(value: u32) -> Vec<u8> {
    let digits: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    match digits.first() {
        None => tagged(0x02, &[0]),
        // A set first bit would make it negative.
        Some(first) if *first >= 0x80 => tagged(0x02, &[&[0], digits.as_slice()].concat()),
        Some(_) => tagged(0x02, &digits),
    }
}

/// Returns NULL.
pub(super) fn null() -> Vec<u8> {
    vec![0x05, 0x00]
}

/// Returns text as a BMPString, which names in key stores are.
pub(super) fn bmp(text: &str) -> Vec<u8> {
    tagged(0x1e, &utf16(text))
}

/// Returns text as big-endian UTF-16.
pub(super) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

/// Returns an object identifier from its numbers.
pub(super) fn oid(numbers: &[u32]) -> Vec<u8> {
    let mut contents = Vec::new();
    if let [first, second, rest @ ..] = numbers {
        base128(first * 40 + second, &mut contents);
        rest.iter().for_each(|number| base128(*number, &mut contents));
    }
    tagged(0x06, &contents)
}

fn base128(number: u32, out: &mut Vec<u8>) {
    let groups = (32 - number.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        out.push((number >> (7 * group)) as u8 & 0x7f | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_many_bytes_as_they_need() {
        assert_eq!(tagged(4, &[0; 127])[..2], [4, 127]);
        assert_eq!(tagged(4, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(tagged(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }

    #[test]
    fn numbers_are_never_read_as_negative() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(integer(10_000), [2, 2, 0x27, 0x10]);
    }

    #[test]
    fn identifiers_are_those_of_the_books() {
        assert_eq!(oid(&[1, 2, 840, 113_549, 1, 7, 1]), [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1]);
        assert_eq!(oid(&[2, 5, 29, 37, 0]), [6, 4, 0x55, 0x1d, 0x25, 0]);
    }
}
