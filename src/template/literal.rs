//! Reads Go's literals: quoted texts, characters, numbers.

use zeroize::Zeroizing;

use super::{error::Problem, lexer::Kind, text::Text};

/// Returns the length of the literal at the start of `rest`, with both quotes; `None` when its line ends first.
pub fn quoted_length(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Returns what stands between double quotes as the bytes it means.
pub fn unquote(inner: &str) -> Result<Text, Problem> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(inner.len()));
    let mut rest = inner;
    while let Some(first) = rest.chars().next() {
        let unit = unit(rest, '"')?;
        match unit.what {
            What::Byte(byte) => bytes.push(byte),
            What::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &rest[unit.length.max(first.len_utf8())..];
    }
    Ok(bytes.into())
}

/// Returns the number of the character between single quotes.
pub fn character(inner: &str) -> Result<i128, Problem> {
    let flaw = || Problem::message("a character literal holds exactly one character");
    if inner.is_empty() {
        return Err(flaw());
    }
    let unit = unit(inner, '\'')?;
    if unit.length != inner.len() {
        return Err(flaw());
    }
    Ok(match unit.what {
        What::Byte(byte) => byte.into(),
        What::Char(c) => u32::from(c).into(),
    })
}

struct Unit {
    what: What,
    length: usize,
}

enum What {
    Byte(u8),
    Char(char),
}

/// Reads one character or escape.
fn unit(rest: &str, quote: char) -> Result<Unit, Problem> {
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or_default();
    if first != '\\' {
        return Ok(Unit { what: What::Char(first), length: first.len_utf8() });
    }
    let escape = chars.next().unwrap_or_default();
    let plain = |c| Ok(Unit { what: What::Char(c), length: 2 });
    match escape {
        'a' => plain('\x07'),
        'b' => plain('\x08'),
        'f' => plain('\x0c'),
        'n' => plain('\n'),
        'r' => plain('\r'),
        't' => plain('\t'),
        'v' => plain('\x0b'),
        '\\' => plain('\\'),
        c if c == quote => plain(quote),
        '0'..='7' => code(rest, 1, 3, 8),
        'x' => code(rest, 2, 2, 16),
        'u' => code(rest, 2, 4, 16),
        'U' => code(rest, 2, 8, 16),
        c => Err(Problem::message(format!("{c:?} is no escape; write \\\\ for a backslash"))),
    }
}

/// Reads an escape of `digits` digits that begin after `skip` bytes; short ones mean a byte, long ones a character.
fn code(rest: &str, skip: usize, digits: usize, radix: u32) -> Result<Unit, Problem> {
    let flaw = || Problem::message(format!("an escape needs {digits} digits and must name a byte or a character"));
    let length = skip + digits;
    let text = rest.get(skip..length).filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit())).ok_or_else(flaw)?;
    let number = u32::from_str_radix(text, radix).map_err(|_| flaw())?;
    let what = match digits {
        2 | 3 => What::Byte(u8::try_from(number).map_err(|_| flaw())?),
        _ => What::Char(char::from_u32(number).ok_or_else(flaw)?),
    };
    Ok(Unit { what, length })
}

/// Returns how much of `rest` belongs to a number, good or bad.
pub fn number_length(rest: &str) -> usize {
    let mut previous = ' ';
    let hexadecimal = rest.trim_start_matches(['+', '-']).get(..2).is_some_and(|head| head.eq_ignore_ascii_case("0x"));
    for (at, c) in rest.char_indices() {
        let exponent = matches!(previous, 'e' | 'E') && !hexadecimal;
        let sign = matches!(c, '+' | '-') && (at == 0 || exponent);
        if !(sign || c == '.' || c == '_' || c.is_alphanumeric()) {
            return at;
        }
        previous = c;
    }
    rest.len()
}

/// Reads a number: decimal, 0x, 0o, 0b or with a leading 0, with underscores, a fraction, an exponent.
pub fn number(text: &str) -> Result<Kind<'static>, Problem> {
    let flaw = || Problem::message(format!("{text:?} is no number"));
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, body) = radix(digits);
    let clean = without_underscores(body, radix).ok_or_else(flaw)?;
    if radix == 10 && clean.contains(['.', 'e', 'E']) {
        let sound = clean.bytes().all(|b| b.is_ascii_digit() || b"eE.+-".contains(&b));
        let value = clean.parse::<f64>().ok().filter(|value| sound && value.is_finite()).ok_or_else(flaw)?;
        return Ok(Kind::Float(if negative { -value } else { value }));
    }
    if !clean.chars().all(|c| c.is_digit(radix)) {
        return Err(flaw());
    }
    let value = i128::from_str_radix(&clean, radix).map_err(|_| flaw())?;
    let value = if negative { -value } else { value };
    i64::try_from(value).map_err(|_| Problem::message(format!("{text} does not fit in 64 bits")))?;
    Ok(Kind::Int(value))
}

/// Splits the prefix that names the radix off.
fn radix(digits: &str) -> (u32, &str) {
    let octal = || digits.len() > 1 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    match digits.get(..2) {
        Some("0x" | "0X") => (16, &digits[2..]),
        Some("0o" | "0O") => (8, &digits[2..]),
        Some("0b" | "0B") => (2, &digits[2..]),
        Some(head) if head.starts_with('0') && octal() => (8, &digits[1..]),
        _ => (10, digits),
    }
}

/// Returns the digits; underscores may only stand between two of them, or after the prefix.
fn without_underscores(body: &str, radix: u32) -> Option<String> {
    let doubled = body.contains("__") || body.ends_with('_') || (radix == 10 && body.starts_with('_'));
    (!doubled && !body.is_empty()).then(|| body.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(text: &str) -> Option<i128> {
        match number(text) {
            Ok(Kind::Int(value)) => Some(value),
            _ => None,
        }
    }

    #[test]
    fn whole_numbers_are_read_in_every_radix() {
        for (text, value) in [
            ("42", 42),
            ("-7", -7),
            ("+7", 7),
            ("0xff", 255),
            ("0o17", 15),
            ("017", 15),
            ("0b101", 5),
            ("1_000", 1000),
            ("0", 0),
        ] {
            assert_eq!(int(text), Some(value), "{text}");
        }
    }

    #[test]
    fn fractions_and_exponents_are_floats() {
        for (text, value) in [("1.5", 1.5), (".5", 0.5), ("-2e3", -2000.0), ("1E-2", 0.01)] {
            assert!(matches!(number(text), Ok(Kind::Float(f)) if f == value), "{text}");
        }
    }

    #[test]
    fn bad_numbers_are_refused() {
        for text in [
            "0x",
            "08",
            "1__0",
            "_1",
            "1_",
            "1e",
            "3inf",
            "0b2",
            "1.2.3",
            "99999999999999999999",
            "0x1p4",
            "5i",
            "-",
            "+-5",
        ] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn escapes_mean_bytes_or_characters() {
        let text = unquote(r#"a\n\x80\101\u00e9\U0001F600\"\\"#).expect("good escapes");
        assert_eq!(
            text.bytes(),
            "a\n\u{fffd}Aé😀\"\\"
                .replace('\u{fffd}', "\x01")
                .as_bytes()
                .iter()
                .map(|&b| if b == 1 { 0x80 } else { b })
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn bad_escapes_are_refused() {
        for text in [r"\q", r"\x4", r"\u12", r"\400", r"\ud800", r"\'", r"\x+1"] {
            assert!(unquote(text).is_err(), "{text}");
        }
    }
}
