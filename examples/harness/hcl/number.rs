//! Numbers as an agent's language has them: binary fractions of 512 bits, rounded to the nearest.
//!
//! Neither a float nor a whole number would do. `0.1 + 0.2` is `0.3` here, text may hold more digits than a float does,
//! and a quotient in a template is written out with all its digits.

use std::{cmp::Ordering, fmt};

use num_bigint::{BigInt, BigUint, Sign};

/// How many bits a number keeps.
const PRECISION: u64 = 512;
/// The largest power of ten that is read; a job file has no use for more, and the memory does.
const LARGEST_POWER: i64 = 20_000;
/// From here on an agent's JSON has an exponent.
const SHORT_JSON: f64 = 1e21;

/// A number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// `mantissa · 2^exponent`; the mantissa is odd, or both are zero.
    Finite {
        /// The digits.
        mantissa: BigInt,
        /// Where the point is.
        exponent: i64,
    },
    /// More than all others.
    Infinity,
    /// Less than all others.
    MinusInfinity,
}

impl Number {
    fn rounded(mantissa: BigInt, exponent: i64) -> Self {
        let excess = mantissa.bits().saturating_sub(PRECISION);
        let (sign, digits) = mantissa.into_parts();
        let digits = shifted_to_even(digits, excess);
        let zeros = digits.trailing_zeros().unwrap_or_default();
        if digits.bits() == 0 {
            return Self::Finite { mantissa: BigInt::ZERO, exponent: 0 };
        }
        let exponent = exponent + signed(excess) + signed(zeros);
        Self::Finite { mantissa: BigInt::from_biguint(sign, digits >> zeros), exponent }
    }

    /// Reads decimal text as an agent does.
    pub fn parse(text: &str) -> Option<Self> {
        let (minus, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        if digits == "Inf" || digits == "inf" {
            return Some(if minus { Self::MinusInfinity } else { Self::Infinity });
        }
        let (mantissa, power) = decimal(digits)?;
        Some(Self::of_decimal(if minus { -mantissa } else { mantissa }, power))
    }

    fn of_decimal(mantissa: BigInt, power: i64) -> Self {
        let ten = BigInt::from(10u8);
        match u32::try_from(power) {
            Ok(power) => Self::rounded(mantissa * ten.pow(power), 0),
            Err(_) => quotient(&mantissa, &ten.pow(u32::try_from(-power).unwrap_or(u32::MAX)), 0),
        }
    }

    /// Returns the number that a float is.
    pub fn from_f64(f: f64) -> Self {
        if f.is_infinite() {
            return if f > 0.0 { Self::Infinity } else { Self::MinusInfinity };
        }
        let bits = f.abs().to_bits();
        let (fraction, exponent) = (bits & ((1 << 52) - 1), i64::try_from(bits >> 52).unwrap_or_default());
        let (mantissa, exponent) =
            if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
        Self::rounded(BigInt::from(mantissa) * if f < 0.0 { -1 } else { 1 }, exponent)
    }

    /// Returns the nearest float.
    pub fn as_f64(&self) -> f64 {
        match self {
            Self::Finite { .. } => self.to_string().parse().unwrap_or(f64::NAN),
            Self::Infinity => f64::INFINITY,
            Self::MinusInfinity => f64::NEG_INFINITY,
        }
    }

    /// Returns the float that is exactly this number.
    pub fn as_exact_f64(&self) -> Option<f64> {
        Some(self.as_f64()).filter(|f| Self::from_f64(*f) == *self)
    }

    /// Returns the whole number, if it is one and not a very large one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Finite { mantissa, exponent: exponent @ 0..=127 } => (mantissa << *exponent).try_into().ok(),
            _ => None,
        }
    }

    /// Says whether nothing follows the point.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Finite { exponent: 0.., .. })
    }

    /// Returns what is left of the number when it has been a float in a server's JSON and digits in a client's; nothing
    /// where a float cannot hold it.
    pub fn passed_as_json(&self) -> Option<Self> {
        let f = Some(self.as_f64()).filter(|f| f.is_finite())?;
        if f.fract() == 0.0 && f.abs() < SHORT_JSON { Some(Self::from_f64(f)) } else { Self::parse(&format!("{f:e}")) }
    }

    /// Cuts off what follows the point.
    pub fn trunc(&self) -> Self {
        match self {
            Self::Finite { mantissa, exponent: ..0 } => {
                let (sign, digits) = mantissa.clone().into_parts();
                let digits = digits >> self.fraction_bits();
                Self::rounded(BigInt::from_biguint(sign, digits), 0)
            }
            other => other.clone(),
        }
    }

    /// Returns the whole number below.
    pub fn floor(&self) -> Self {
        match self {
            // Shifting rounds down, below zero as well.
            Self::Finite { mantissa, exponent: ..0 } => Self::rounded(mantissa >> self.fraction_bits(), 0),
            other => other.clone(),
        }
    }

    /// Returns the whole number above.
    pub fn ceil(&self) -> Self {
        self.negated().floor().negated()
    }

    fn fraction_bits(&self) -> u64 {
        match self {
            Self::Finite { exponent, .. } => u64::try_from(-exponent).unwrap_or_default(),
            _ => 0,
        }
    }

    /// Returns it without its sign.
    pub fn abs(&self) -> Self {
        if self.is_negative() { self.negated() } else { self.clone() }
    }

    fn is_negative(&self) -> bool {
        match self {
            Self::Finite { mantissa, .. } => mantissa.sign() == Sign::Minus,
            Self::Infinity => false,
            Self::MinusInfinity => true,
        }
    }

    /// Says whether it is nothing.
    pub fn is_zero(&self) -> bool {
        matches!(self, Self::Finite { mantissa, .. } if mantissa.sign() == Sign::NoSign)
    }

    /// Returns it with the other sign.
    pub fn negated(&self) -> Self {
        match self {
            Self::Finite { mantissa, exponent } => Self::Finite { mantissa: -mantissa, exponent: *exponent },
            Self::Infinity => Self::MinusInfinity,
            Self::MinusInfinity => Self::Infinity,
        }
    }

    /// Adds; nothing where both are infinite and against each other.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Finite { mantissa: a, exponent: x }, Self::Finite { mantissa: b, exponent: y }) => {
                let least = *x.min(y);
                Some(Self::rounded((a << (x - least)) + (b << (y - least)), least))
            }
            (Self::Finite { .. }, infinite) => Some(infinite.clone()),
            (infinite, Self::Finite { .. }) => Some(infinite.clone()),
            (a, b) => (a == b).then(|| a.clone()),
        }
    }

    /// Multiplies; only finite numbers.
    pub fn times(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Finite { mantissa: a, exponent: x }, Self::Finite { mantissa: b, exponent: y }) => {
                Some(Self::rounded(a * b, x + y))
            }
            _ => None,
        }
    }

    /// Divides; only finite numbers, and not by zero.
    pub fn over(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Finite { mantissa: a, exponent: x }, Self::Finite { mantissa: b, exponent: y })
                if !other.is_zero() =>
            {
                Some(quotient(a, b, x - y))
            }
            _ => None,
        }
    }

    /// Returns what is left after dividing.
    pub fn rest(&self, other: &Self) -> Option<Self> {
        let whole = self.over(other)?.trunc();
        self.plus(&whole.times(other)?.negated())
    }
}

/// Divides with enough bits to round by.
fn quotient(a: &BigInt, b: &BigInt, exponent: i64) -> Number {
    let shift = (PRECISION + 2 + b.bits()).saturating_sub(a.bits());
    let numerator = a << shift;
    let whole = &numerator / b;
    let inexact = &whole * b != numerator;
    // A last bit stands for all that follow it.
    let sticky = if inexact {
        BigInt::from(if (a.sign() == Sign::Minus) != (b.sign() == Sign::Minus) { -1 } else { 1 })
    } else {
        BigInt::ZERO
    };
    Number::rounded((whole << 1) + sticky, exponent - signed(shift) - 1)
}

/// Drops the last bits, rounding to the nearest and halves to the even.
fn shifted_to_even(digits: BigUint, drop: u64) -> BigUint {
    if drop == 0 {
        return digits;
    }
    let kept = &digits >> drop;
    let half = BigUint::from(1u8) << (drop - 1);
    let rest = digits - (&kept << drop);
    match rest.cmp(&half) {
        Ordering::Less => kept,
        Ordering::Equal if !kept.bit(0) => kept,
        _ => kept + 1u8,
    }
}

fn signed(bits: u64) -> i64 {
    i64::try_from(bits).unwrap_or(i64::MAX)
}

/// Splits text such as `12.5e3` into its digits and the power of ten behind them.
fn decimal(text: &str) -> Option<(BigInt, i64)> {
    let (digits, power) = match text.split_once(['e', 'E']) {
        Some((digits, power)) => (digits, power.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, fraction].concat();
    let power = power - i64::try_from(fraction.len()).ok()?;
    let plain = !all.is_empty() && all.bytes().all(|c| c.is_ascii_digit()) && power.abs() <= LARGEST_POWER;
    plain.then(|| all.parse().ok()).flatten().map(|mantissa| (mantissa, power))
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (a, b) if a == b => Ordering::Equal,
            (Self::MinusInfinity, _) | (_, Self::Infinity) => Ordering::Less,
            (Self::Infinity, _) | (_, Self::MinusInfinity) => Ordering::Greater,
            (a, b) => match a.plus(&b.negated()) {
                Some(difference) if difference.is_negative() => Ordering::Less,
                _ => Ordering::Greater,
            },
        }
    }
}

impl From<i128> for Number {
    fn from(i: i128) -> Self {
        Self::rounded(BigInt::from(i), 0)
    }
}

/// Without an exponent, and with no more digits than it takes to find the number again.
impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finite { mantissa, .. } if mantissa.sign() == Sign::NoSign => out.write_str("0"),
            Self::Finite { mantissa, exponent } => {
                let (digits, power) = shortest(mantissa.magnitude(), *exponent);
                let sign = if mantissa.sign() == Sign::Minus { "-" } else { "" };
                write!(out, "{sign}{}", placed(&digits, power))
            }
            Self::Infinity => out.write_str("+Inf"),
            Self::MinusInfinity => out.write_str("-Inf"),
        }
    }
}

/// Returns the fewest digits that lie nearer to the number than half of its last bit, and the power of ten behind them.
fn shortest(mantissa: &BigUint, exponent: i64) -> (String, i64) {
    let wide = PRECISION + 1 - mantissa.bits();
    let (exact, exponent) = (mantissa << wide, exponent - signed(wide));
    // Half a bit, and between powers of two always the same: that is how the agent's library does it, too.
    let even = !exact.bit(1);
    let scaled = |n: BigUint| match u64::try_from(exponent) {
        Ok(left) => n << left,
        Err(_) => n * BigUint::from(5u8).pow(u32::try_from(-exponent).unwrap_or(u32::MAX)),
    };
    let power = exponent.min(0);
    let (low, high) = (scaled(&exact - 1u8), scaled(&exact + 1u8));
    let exact = scaled(exact);
    let length = signed(exact.to_string().len() as u64);
    let inside = |n: &BigUint| (*n > low && *n < high) || even && (*n == low || *n == high);
    for kept in 1..length {
        let unit = BigUint::from(10u8).pow(u32::try_from(length - kept).unwrap_or(u32::MAX));
        let below = &exact / &unit;
        let above = &below + 1u8;
        let (down, up) = (&below * &unit, &above * &unit);
        let nearer_up = &up - &exact < &exact - &down;
        let best = match (inside(&down), inside(&up)) {
            (true, true) => Some(if nearer_up { above } else { below }),
            (true, false) => Some(below),
            (false, true) => Some(above),
            (false, false) => None,
        };
        if let Some(digits) = best {
            return (digits.to_string(), power + length - kept);
        }
    }
    (exact.to_string(), power)
}

/// Writes digits with the point at its place.
fn placed(digits: &str, power: i64) -> String {
    let zeros = |n: i64| "0".repeat(usize::try_from(n).unwrap_or_default());
    let point = i64::try_from(digits.len()).unwrap_or(i64::MAX) + power;
    let text = match usize::try_from(point) {
        _ if power >= 0 => return format!("{digits}{}", zeros(power)),
        Ok(point @ 1..) => format!("{}.{}", &digits[..point], &digits[point..]),
        _ => format!("0.{}{digits}", zeros(-point)),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::Number;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn text_comes_back_as_it_was() {
        for text in [
            "0",
            "1",
            "-1",
            "10",
            "0.1",
            "0.3",
            "-12.5",
            "18446744073709551617",
            "0.00000001234",
            "123456789012345678901234567890.5",
        ] {
            assert_eq!(number(text).to_string(), text);
        }
        assert_eq!(number("+1e3").to_string(), "1000");
        assert_eq!(number(".50").to_string(), "0.5");
        for wrong in ["", "+", "e5", "1e", "1_0", "0x1", " 1", "NaN", "1.2.3", "--1", "1e99999999"] {
            assert_eq!(Number::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn arithmetic_is_done_in_512_bits() {
        let sum = number("0.1").plus(&number("0.2")).expect("finite");
        assert_eq!(sum.to_string(), "0.3");
        let third = number("1").over(&number("3")).expect("finite");
        assert_eq!(third.to_string().len(), 2 + 155);
        assert_eq!(third.times(&number("3")), Some(number("1")));
        assert_eq!(number("-7").rest(&number("3")), Some(number("-1")));
        assert_eq!(number("7.5").rest(&number("2")), Some(number("1.5")));
        assert_eq!(number("1").over(&number("0")), None);
    }

    #[test]
    fn floats_are_found_again() {
        for f in [0.0, 1.5, -0.1, 1e300, 5e-324, f64::MAX, f64::MIN_POSITIVE, 9_007_199_254_740_993.0] {
            assert_eq!(Number::from_f64(f).as_f64(), f);
            assert_eq!(Number::from_f64(f).as_exact_f64(), Some(f));
        }
        assert_eq!(number("0.1").as_exact_f64(), None);
        assert_eq!(number("0.1").as_f64(), 0.1);
    }

    #[test]
    fn a_server_makes_floats_of_all_and_a_client_digits() {
        let passed = |text| number(text).passed_as_json().map(|n| n.to_string());
        assert_eq!(passed("9007199254740993").as_deref(), Some("9007199254740992"));
        assert_eq!(passed("18446744073709551617").as_deref(), Some("18446744073709551616"));
        assert_eq!(passed("1208925819614629174706176").as_deref(), Some("1208925819614629200000000"));
        assert_eq!(passed("0.1").as_deref(), Some("0.1"));
        assert_eq!(passed("1e400"), None);
    }

    #[test]
    fn numbers_are_cut_and_compared() {
        assert_eq!(number("-1.5").floor(), number("-2"));
        assert_eq!(number("-1.5").ceil(), number("-1"));
        assert_eq!(number("-1.5").trunc(), number("-1"));
        assert_eq!(number("-1.5").abs(), number("1.5"));
        assert!(number("0.1") < number("0.2") && number("-1") < number("0") && number("1e30") < Number::Infinity);
    }
}
