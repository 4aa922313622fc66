//! Spells floating-point numbers as Go does.

/// The digits of a number, `d.ddd`, and the exponent of ten.
struct Digits {
    negative: bool,
    digits: String,
    exponent: i32,
}

/// Returns the shortest spelling, with an exponent where it is below -4 or at least `large`.
pub fn general(number: f64, large: i32) -> String {
    if let Some(word) = special(number) {
        return word.to_owned();
    }
    let parts = digits(number, None);
    match parts.exponent < -4 || parts.exponent >= large {
        true => parts.scientific(),
        false => format!("{number}"),
    }
}

/// Returns the spelling with `precision` significant digits at most, as %g does.
pub fn general_to(number: f64, precision: usize) -> String {
    if let Some(word) = special(number) {
        return word.to_owned();
    }
    let precision = precision.max(1);
    let mut parts = digits(number, Some(precision - 1));
    parts.digits.truncate(parts.digits.trim_end_matches('0').len().max(1));
    match parts.exponent < -4 || parts.exponent >= precision as i32 {
        true => parts.scientific(),
        false => parts.plain(),
    }
}

/// Returns the spelling with an exponent and `precision` digits behind the point, as %e does.
pub fn scientific(number: f64, precision: usize) -> String {
    special(number).map_or_else(|| digits(number, Some(precision)).scientific(), str::to_owned)
}

/// Returns the spelling with `precision` digits behind the point, as %f does.
pub fn fixed(number: f64, precision: usize) -> String {
    special(number).map_or_else(|| format!("{number:.precision$}"), str::to_owned)
}

/// Returns the spelling that Go's JSON has.
pub fn json(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{number}");
    }
    let text = digits(number, None).scientific();
    // One-digit negative exponents lose their zero there.
    match text.rsplit_once("e-0") {
        Some((mantissa, digit)) => format!("{mantissa}e-{digit}"),
        None => text,
    }
}

fn special(number: f64) -> Option<&'static str> {
    match number {
        n if n.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// Takes a number apart, rounded to `precision` digits behind the first, or to the shortest that reads back the same.
fn digits(number: f64, precision: Option<usize>) -> Digits {
    let text = match precision {
        Some(precision) => format!("{number:.precision$e}"),
        None => format!("{number:e}"),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    Digits { negative: mantissa.starts_with('-'), digits, exponent: exponent.parse().unwrap_or(0) }
}

impl Digits {
    fn scientific(&self) -> String {
        let (first, rest) = self.digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if self.exponent < 0 { '-' } else { '+' };
        format!("{}{first}{point}{rest}e{sign}{:02}", self.minus(), self.exponent.abs())
    }

    fn plain(&self) -> String {
        let minus = self.minus();
        if self.exponent < 0 {
            let zeros = "0".repeat(self.exponent.unsigned_abs() as usize - 1);
            return format!("{minus}0.{zeros}{}", self.digits);
        }
        let whole = self.exponent as usize + 1;
        match self.digits.len() > whole {
            true => format!("{minus}{}.{}", &self.digits[..whole], &self.digits[whole..]),
            false => format!("{minus}{:0<whole$}", self.digits),
        }
    }

    fn minus(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_go_spells_them() {
        for (number, text) in [
            (1.0, "1"),
            (0.5, "0.5"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-5, "1.5e-05"),
            (-2.25, "-2.25"),
        ] {
            assert_eq!(general(number, 21), text);
        }
        for (number, precision, text) in
            [(1234.5678, 3, "1.23e+03"), (0.0001234, 2, "0.00012"), (100.0, 3, "100"), (1.0, 6, "1")]
        {
            assert_eq!(general_to(number, precision), text);
        }
        assert_eq!(scientific(12345.678, 2), "1.23e+04");
        assert_eq!(json(1e-9), "1e-9");
        assert_eq!(json(1e21), "1e+21");
    }
}
