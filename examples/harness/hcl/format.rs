//! `format`: the verbs of an agent's language, with width, precision and flags.

use super::{
    functions::{arg, number, text, to_json},
    value::Node,
};

type Result<T> = std::result::Result<T, String>;

/// One `%…` of a template.
struct Verb {
    letter: char,
    flags: String,
    width: usize,
    precision: Option<usize>,
}

/// Fills the verbs of a template with the arguments, one for each.
pub fn format(template: &str, args: &[Node]) -> Result<String> {
    let (mut out, mut rest, mut next) = (String::new(), template, 0);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (verb, after) = Verb::read(after)?;
        rest = after;
        if verb.letter == '%' {
            out.push('%');
            continue;
        }
        out.push_str(&verb.padded(verb.written(args, next)?));
        next += 1;
    }
    out.push_str(rest);
    if next < args.len() { Err(format!("{} arguments for {next} verbs", args.len())) } else { Ok(out) }
}

impl Verb {
    fn read(text: &str) -> Result<(Self, &str)> {
        let after_flags = text.trim_start_matches(['+', '-', ' ', '#', '0']);
        let flags = text[..text.len() - after_flags.len()].to_owned();
        let (width, after) = digits(after_flags);
        let (precision, after) = match after.strip_prefix('.') {
            Some(after) => {
                let (precision, after) = digits(after);
                (Some(precision), after)
            }
            None => (None, after),
        };
        let letter = after.chars().next().ok_or("the format ends after %")?;
        Ok((Self { letter, flags, width, precision }, &after[letter.len_utf8()..]))
    }

    fn written(&self, args: &[Node], i: usize) -> Result<String> {
        let whole = || number(args, i)?.as_int().ok_or_else(|| format!("%{} needs a whole number", self.letter));
        let digits = self.precision.unwrap_or(6);
        match self.letter {
            'b' => whole().map(|n| radix(n, |n| format!("{n:b}"))),
            'd' => whole().map(|n| n.to_string()).map(|s| self.signed(s)),
            'e' => Ok(self.signed(exponent(number(args, i)?.as_f64(), digits))),
            'f' => Ok(self.signed(format!("{:.digits$}", number(args, i)?.as_f64()))),
            'o' => whole().map(|n| radix(n, |n| format!("{n:o}"))),
            'q' => text(args, i).map(|s| to_json(&s.into())),
            's' => text(args, i).map(|s| s.chars().take(self.precision.unwrap_or(usize::MAX)).collect()),
            't' => match arg(args, i)?.value.to_text().as_deref() {
                Some(text @ ("true" | "false")) => Ok(text.to_owned()),
                _ => Err("%t needs a bool".into()),
            },
            'v' if self.flags.contains('#') => arg(args, i).map(|n| to_json(&n.value)),
            'v' => arg(args, i).map(|n| n.value.to_text().unwrap_or_else(|| to_json(&n.value))),
            'x' => whole().map(|n| radix(n, |n| format!("{n:x}"))),
            'X' => whole().map(|n| radix(n, |n| format!("{n:X}"))),
            other => Err(format!("the verb %{other} is unknown here")),
        }
    }

    fn signed(&self, digits: String) -> String {
        let sign = if self.flags.contains('+') {
            "+"
        } else if self.flags.contains(' ') {
            " "
        } else {
            ""
        };
        if digits.starts_with('-') { digits } else { format!("{sign}{digits}") }
    }

    fn padded(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.flags.contains('-') {
            return text + &" ".repeat(missing);
        }
        if self.flags.contains('0') {
            let digits = text.trim_start_matches(['+', '-']);
            return format!("{}{}{digits}", &text[..text.len() - digits.len()], "0".repeat(missing));
        }
        " ".repeat(missing) + &text
    }
}

fn digits(text: &str) -> (usize, &str) {
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (text[..text.len() - after.len()].parse().unwrap_or(0), after)
}

fn radix(n: i128, write: impl Fn(u128) -> String) -> String {
    format!("{}{}", if n < 0 { "-" } else { "" }, write(n.unsigned_abs()))
}

/// Writes the exponent with a sign and two digits at least.
fn exponent(f: f64, digits: usize) -> String {
    let text = format!("{f:.digits$e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{mantissa}e{sign}{power:0>2}")
}
